# Redis from the Debian package, in memory only: as a broker, what it held is lost with it, and the system copes.
REDIS_PORT=${REDIS_PORT:-39379}

redis_install() {
  command -v redis-server >/dev/null || debian_package redis-server
}

redis_start() {
  mkdir -p "$STATE/redis"
  spawn redis redis-server --bind 127.0.0.1 --port "$REDIS_PORT" --save '' --appendonly no --dir "$STATE/redis"
}

redis_ready() { [ "$(redis-cli -h 127.0.0.1 -p "$REDIS_PORT" ping)" = PONG ]; }
redis_env() { echo "export TEST_REDIS_URL=redis://127.0.0.1:$REDIS_PORT/0"; }
redis_wipe() { rm -rf "$STATE/redis"; }
