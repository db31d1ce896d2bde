# Runs a command with its output in a log file; a failure shows the log's end. Written by elasticdf.
#   sh logged.sh LOG COMMAND...
log=$1
shift
mkdir -p "$(dirname "$log")"
code=0
"$@" > "$log" 2>&1 || code=$?
if [ "$code" -ne 0 ]; then
    tail -n 20 "$log" >&2
    echo "failed; the whole log is $log" >&2
fi
exit "$code"
