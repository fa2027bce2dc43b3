# shellcheck shell=bash
# Starts the whole product and ends it: what `run` and `e2e` have in common. Source lib.sh first.

# What is started; a measurement may want the release's.
program=${NEPHROCAST_PROGRAM:-target/debug/nephrocast}
# Process ids and their names.
declare -A children=()
postgres_folder=

# launch <name> <log> <command...>: a child that ends with this script, however it ends.
launch() {
  local name=$1 log=$2
  setpriv --pdeathsig TERM -- "${@:3}" </dev/null >"$log" 2>&1 9>&- &
  children[$!]=$name
}

# start_product <folder for data> <port> [--throw-away]
start_product() {
  local folder=$1 port=$2 api run=$1/run
  postgres_folder=$folder/postgres
  # Every open request is a file, on both sides of NGINX.
  ulimit -S -n "$(ulimit -H -n)"
  mkdir -p "$run"
  chmod 700 "$run"
  make_key "$folder/secret-key"
  make_key "$folder/audit-key"
  scripts/postgres start "$postgres_folder" "${@:3}" 9>&-
  NEPHROCAST_DATABASE_URL=$(scripts/postgres url "$postgres_folder" nephrocast_app)
  api=$(free_ports 1)
  export NEPHROCAST_DATABASE_URL NEPHROCAST_DEMO=true NEPHROCAST_LISTEN=127.0.0.1:$api
  # Beside their database: a worker removes what its own database does not know.
  export NEPHROCAST_DOCUMENTS_DIR=$folder/documents
  export NEPHROCAST_SECRET_KEY_FILE=$folder/secret-key NEPHROCAST_AUDIT_KEY_FILE=$folder/audit-key
  fill_database "$run" "$(scripts/postgres url "$postgres_folder")"
  scripts/nginx-config "$run" "$port" "$NEPHROCAST_LISTEN"
  launch PostgreSQL /dev/null tail --pid "$(head -n 1 "$postgres_folder/data/postmaster.pid")" -f /dev/null
  launch "the API server" "$run/serve.log" "$program" serve
  # A server may be a worker as well.
  [[ ${NEPHROCAST_WITH_WORKER-} == true ]] ||
    launch "the worker" "$run/worker.log" "$program" worker
  launch NGINX "$run/nginx.log" nginx -e stderr -p "$run" -c "$run/nginx.conf"
  await "$run" "$api" /readyz 2
  await "$run" "$port" / 2
}

make_key() {
  [[ -s $1 ]] && return 0
  (
    umask 077
    od -An -N 32 -t x1 /dev/urandom | tr -d ' \n' >"$1.new"
  )
  mv "$1.new" "$1"
}

# fill_database <run folder> <the owner's address>
fill_database() {
  local log=$1/database.log
  NEPHROCAST_MIGRATE_DATABASE_URL=$2 "$program" migrate >"$log" 2>&1 ||
    fail "the database could not be migrated: $(tail -n 1 "$log")"
  local filled
  filled=$(psql --no-psqlrc -qtA "$NEPHROCAST_DATABASE_URL" -c 'select exists(select from users)')
  [[ $filled == t ]] && return 0
  say "Making demo data ..."
  "$program" seed >>"$log" 2>&1 || fail "the demo data could not be made: $(tail -n 1 "$log")"
}

# await <run folder> <port> <path> <first digit of the status>
await() {
  local deadline=$((SECONDS + 60))
  until [[ $(http_status "$2" "$3") == "$4"* ]]; do
    check_children "$1"
    ((SECONDS < deadline)) || fail "nothing is ready on port $2 after a minute; logs are in $1"
    sleep 0.1
  done
}

check_children() {
  local pid
  for pid in "${!children[@]}"; do
    alive "$pid" || died "$pid" "$1"
  done
}

# Says which child ended, and what it said last.
died() {
  local name=${children[$1]} run=$2 log=
  unset "children[$1]"
  case $name in
    *server) log=$run/serve.log ;;
    *worker) log=$run/worker.log ;;
    NGINX) log=$run/nginx.log ;;
    *) log=$postgres_folder/log ;;
  esac
  fail "$name ended by itself, so everything ends; $log ends with: $(tail -n 1 "$log" 2>/dev/null)"
}

# Ends what was started, in under ten seconds.
stop_product() {
  local pids=("${!children[@]}") deadline=$((SECONDS + 9)) pid
  children=()
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do
    while alive "$pid" && ((SECONDS < deadline)); do sleep 0.05; done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  if [[ -n $postgres_folder ]]; then scripts/postgres stop "$postgres_folder" || true; fi
  postgres_folder=
}
