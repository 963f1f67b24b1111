# PostgreSQL from the Debian package, with a data directory of its own and trust for whoever is on this machine.
# Durability is off: a test database that a power cut ruins is made anew. A killed server still recovers, all but
# the last half second; POSTGRES_COMMIT=on is for tests that kill it and count rows.
POSTGRES_PORT=${POSTGRES_PORT:-39432}
POSTGRES_COMMIT=${POSTGRES_COMMIT:-off}

postgres_bin() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1; }

postgres_install() {
  [ -x "$(postgres_bin)/postgres" ] || debian_package postgresql
  [ -x "$(postgres_bin)/postgres" ] || give_up "no postgres below /usr/lib/postgresql; install PostgreSQL"
}

postgres_start() {
  local bin data=$STATE/postgres
  bin=$(postgres_bin)
  if [ ! -f "$data/PG_VERSION" ]; then
    mkdir -p "$data"
    [ "$(id -u)" != 0 ] || chown postgres:postgres "$data"
    $(as_user postgres) "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 \
      >>"$STATE/postgres.log" 2>&1 || give_up "initdb failed; see $STATE/postgres.log"
  fi
  spawn postgres $(as_user postgres) "$bin/postgres" -D "$data" -p "$POSTGRES_PORT" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200 \
    -c fsync=off -c "synchronous_commit=$POSTGRES_COMMIT" -c full_page_writes=off
}

postgres_ready() { "$(postgres_bin)/pg_isready" -q -h 127.0.0.1 -p "$POSTGRES_PORT"; }
postgres_env() { echo "export TEST_DATABASE_URL=postgresql+psycopg2://postgres@127.0.0.1:$POSTGRES_PORT/postgres"; }
postgres_stop_signal() { echo INT; } # fast shutdown: TERM would wait for every client to leave
postgres_wipe() { rm -rf "$STATE/postgres"; }
