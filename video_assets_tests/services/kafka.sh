# Apache Kafka, one node that is broker and controller in one (KRaft), run from the jars that Maven fetches.
# Topics have to be made on purpose: a misspelt one is an error here, as it is in production.
KAFKA_PORT=${KAFKA_PORT:-39092}
KAFKA_CONTROLLER_PORT=${KAFKA_CONTROLLER_PORT:-$((KAFKA_PORT + 1))}
KAFKA_CLUSTER=video-assets-tests-kf
KAFKA_JARS=$PROGRAMS/kafka-$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$HERE/kafka/pom.xml")

kafka_install() {
  command -v java >/dev/null || debian_package default-jre-headless
  [ ! -d "$KAFKA_JARS" ] || return 0
  command -v mvn >/dev/null || debian_package maven
  say "fetching kafka"
  mvn -B -ntp -q -f "$HERE/kafka/pom.xml" dependency:copy-dependencies -DoutputDirectory="$KAFKA_JARS.new" \
    >>"$STATE/install.log" 2>&1 || give_up "kafka could not be fetched; see $STATE/install.log"
  mv "$KAFKA_JARS.new" "$KAFKA_JARS"
}

kafka_start() {
  local folder=$STATE/kafka
  mkdir -p "$folder"
  sed "s#@DATA@#$folder/data#; s#@PORT@#$KAFKA_PORT#; s#@CONTROLLER@#$KAFKA_CONTROLLER_PORT#" \
    "$HERE/kafka/server.properties.in" >"$folder/server.properties"
  kafka_java -Xmx128m kafka.tools.StorageTool format --ignore-formatted -t "$KAFKA_CLUSTER" \
    -c "$folder/server.properties" >>"$STATE/kafka.log" 2>&1 || give_up "kafka has no data folder; see $STATE/kafka.log"
  touch "$STATE/kafka.log"
  stat -c %s "$STATE/kafka.log" >"$folder/log-before"
  # The command itself, not the function: what is noted down must be the process of the server.
  spawn kafka java -Xms256m -Xmx256m -XX:MaxDirectMemorySize=128m \
    "-Dlog4j2.configurationFile=$HERE/kafka/log4j2.xml" -cp "$KAFKA_JARS/*" kafka.Kafka "$folder/server.properties"
}

kafka_java() {
  local heap=$1
  shift
  java "$heap" "-Dlog4j2.configurationFile=$HERE/kafka/log4j2.xml" -cp "$KAFKA_JARS/*" "$@"
}

# A broker listens before it has joined its cluster; it says in its log when it serves.
kafka_ready() {
  tail -c "+$(($(cat "$STATE/kafka/log-before") + 1))" "$STATE/kafka.log" | grep 'Kafka Server started'
}
kafka_env() { echo "export TEST_KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:$KAFKA_PORT"; }
kafka_wipe() { rm -rf "$STATE/kafka"; }
