#!/bin/sh
# usage: simulation.sh KEY SECONDS HOW REPORTS
# A simulation that leaves a line in $LEDGER when it begins, when it is told to end, before it reports its end, when that
# was accepted, and before it ends: SECONDS UP, WHAT, RUN, KEY, PID, HOW. HOW it ends: an exit code, or the name of a signal.
# With REPORTS it tells lackey how it ends, as it should: again and again for a while.
key=$1 seconds=$2 how=$3 reports=$4

say() {
    read -r up _ </proc/uptime
    echo "$up $1 $LACKEY_RUN_ID $key $$ $how" >>"$LEDGER"
    sync "$LEDGER"
}

tell() {
    verb=$1
    shift
    printf 'data="token=%s"\n' "$LACKEY_TOKEN" |
        curl -K - -fsS -m 10 --retry 8 --retry-all-errors --retry-max-time 40 -o /dev/null -X PUT "$@" \
            "$LACKEY_URL/api/run/$verb/$LACKEY_RUN_ID"
}

trap 'say told; exit 143' TERM
say begins
echo "the simulation $key"
[ "$reports" = no ] || tell progress -d fraction=0.5
sleep "$seconds" &
wait $!
case $how in
[0-9]*)
    if [ "$reports" = yes ]; then
        say reports
        if tell stop -d "exit=$how"; then say reported; fi
    fi
    say ends
    exit "$how"
    ;;
*)
    say ends
    kill -s "$how" $$
    ;;
esac
