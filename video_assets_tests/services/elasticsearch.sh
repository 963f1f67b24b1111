# Elasticsearch from Maven Central. The distribution published there is the one its own integration tests use: the
# real server without a few stock modules. What this project needs of those, elasticsearch/shim stands in for:
# three token filters and the greeting at "/".
ELASTICSEARCH_PORT=${ELASTICSEARCH_PORT:-39200}
ELASTICSEARCH_VERSION=8.19.21
# Whoever has it unpacked already may say where.
ELASTICSEARCH_PROGRAM=${ELASTICSEARCH_PROGRAM:-$PROGRAMS/elasticsearch-$ELASTICSEARCH_VERSION}

elasticsearch_install() {
  command -v curl >/dev/null || debian_package curl
  [ ! -f "$ELASTICSEARCH_PROGRAM/plugins/shim/shim.jar" ] || return 0
  [ ! -d "$ELASTICSEARCH_PROGRAM" ] || give_up "$ELASTICSEARCH_PROGRAM lacks plugins/shim; let it be fetched here"
  command -v javac >/dev/null || debian_package openjdk-17-jdk-headless javac
  command -v mvn >/dev/null || debian_package maven mvn
  local dist=$PROGRAMS/elasticsearch.new
  local classes=$dist/classes program=$dist/elasticsearch-$ELASTICSEARCH_VERSION
  say "fetching elasticsearch $ELASTICSEARCH_VERSION"
  rm -rf "$dist"
  mkdir -p "$classes"
  mvn -B -ntp -q org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy -Dmdep.stripVersion=true \
    -Dartifact="org.elasticsearch.distribution.integ-test-zip:elasticsearch:$ELASTICSEARCH_VERSION:zip" \
    -DoutputDirectory="$dist" >>"$STATE/install.log" 2>&1 ||
    give_up "elasticsearch could not be fetched; see $STATE/install.log"
  python3 -m zipfile -e "$dist/elasticsearch.zip" "$dist" && rm "$dist/elasticsearch.zip"
  chmod +x "$program"/bin/*
  javac -proc:none --release 17 -nowarn -cp "$program/lib/*" -d "$classes" \
    "$HERE"/elasticsearch/shim/src/shim/*.java >>"$STATE/install.log" 2>&1 ||
    give_up "elasticsearch's stand-in plugin does not compile; see $STATE/install.log"
  mkdir -p "$program/plugins/shim"
  sed "s/@VERSION@/$ELASTICSEARCH_VERSION/" "$HERE/elasticsearch/shim/plugin-descriptor.properties" \
    >"$program/plugins/shim/plugin-descriptor.properties"
  jar -cf "$program/plugins/shim/shim.jar" -C "$classes" .
  chmod -R a+rX "$program"
  # Last: its being there says that everything is.
  mv "$program" "$ELASTICSEARCH_PROGRAM"
  rm -rf "$dist"
}

elasticsearch_start() {
  local run=$STATE/elasticsearch/run java
  java=$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")
  mkdir -p "$run"/{config,data,logs,tmp}
  cp "$ELASTICSEARCH_PROGRAM"/config/{jvm.options,log4j2.properties} "$run/config/"
  sed -i 's,^-XX:+UseG1GC,-XX:+UseSerialGC,' "$run/config/jvm.options"
  cat >"$run/config/elasticsearch.yml" <<CONFIG
cluster.name: video-assets-tests
path.data: $run/data
path.logs: $run/logs
network.host: 127.0.0.1
http.port: $ELASTICSEARCH_PORT
transport.port: $((ELASTICSEARCH_PORT + 100))
discovery.type: single-node
xpack.security.enabled: false
cluster.routing.allocation.disk.threshold_enabled: false
action.auto_create_index: false
CONFIG
  # It refuses to run as root. Its launcher leaves once the server is up: the process id is the server's own.
  [ "$(id -u)" != 0 ] || { chown -R 65534:65534 "$run" && chmod a+x "$STATE/elasticsearch"; }
  env -u JAVA_HOME -u JAVA_TOOL_OPTIONS ES_JAVA_HOME="$java" ES_PATH_CONF="$run/config" ES_TMPDIR="$run/tmp" HOME="$run" \
    ES_JAVA_OPTS="-Xms64m -Xmx512m -XX:-AlwaysPreTouch -XX:TieredStopAtLevel=1" \
    $([ "$(id -u)" != 0 ] || echo "setpriv --reuid=65534 --regid=65534 --clear-groups") \
    "$ELASTICSEARCH_PROGRAM/bin/elasticsearch" -d -p "$run/pid" </dev/null >>"$STATE/elasticsearch.log" 2>&1 ||
    { tail -n 5 "$STATE/elasticsearch.log" >&2; give_up "elasticsearch did not come up; see $STATE/elasticsearch.log"; }
  local pid
  pid=$(cat "$run/pid")
  echo "$pid $(born "$pid")" >"$STATE/pids/elasticsearch"
}

elasticsearch_ready() {
  curl -sf "http://127.0.0.1:$ELASTICSEARCH_PORT/_cluster/health?wait_for_status=yellow&timeout=1s"
}
elasticsearch_env() { echo "export TEST_ELASTICSEARCH_URL=http://127.0.0.1:$ELASTICSEARCH_PORT"; }
elasticsearch_wipe() { rm -rf "$STATE/elasticsearch/run"; }
