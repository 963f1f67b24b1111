# S3 over a folder, by versitygw (Apache-2.0), built from its source: a Go compiler is all it takes.
# Objects lie as files below $STATE/s3, with their metadata in extended attributes.
S3_PORT=${S3_PORT:-39000}
S3_VERSION=v1.8.0
# Whoever has it built already may say where.
S3_PROGRAM=${S3_PROGRAM:-$PROGRAMS/versitygw-$S3_VERSION}

s3_install() {
  [ ! -x "$S3_PROGRAM" ] || return 0
  command -v go >/dev/null || debian_package golang go
  # From 1.21 on Go fetches a newer toolchain by itself where the module asks for one.
  go version | grep -Eq 'go(1\.(2[1-9]|[3-9][0-9])|[2-9])' ||
    give_up "s3 needs Go 1.21 or newer to be built, $(go version | cut -d' ' -f3) is here; install one from https://go.dev/dl"
  say "building s3 (versitygw $S3_VERSION); the first time this takes some minutes"
  # Without C, so that no C compiler is asked for.
  GOBIN=$PROGRAMS CGO_ENABLED=0 go install "github.com/versity/versitygw/cmd/versitygw@$S3_VERSION" \
    >>"$STATE/install.log" 2>&1 || give_up "s3 could not be built; see $STATE/install.log"
  mv "$PROGRAMS/versitygw" "$S3_PROGRAM"
}

s3_start() {
  mkdir -p "$STATE/s3"
  ROOT_ACCESS_KEY=testkey ROOT_SECRET_KEY=testsecret123 spawn s3 "$S3_PROGRAM" \
    --port "127.0.0.1:$S3_PORT" --region us-east-1 --cors-allow-origin '*' --health /health posix "$STATE/s3"
}

s3_ready() { (exec 3<>"/dev/tcp/127.0.0.1/$S3_PORT"); }
s3_env() {
  echo "export TEST_S3_ENDPOINT_URL=http://127.0.0.1:$S3_PORT TEST_S3_ACCESS_KEY=testkey TEST_S3_SECRET_KEY=testsecret123"
}
s3_wipe() { rm -rf "$STATE/s3"; }
