#!/bin/sh
# An epidemic in a closed population: the SIR model of Kermack and McKendrick (1927), day by day, with Heun's method.
#
#     dS/dt = -beta S I / N      dI/dt = beta S I / N - gamma I      dR/dt = gamma I
#
# usage: epidemic.sh POPULATION BETA GAMMA DAYS [STEPS_A_DAY]
#
# The figures of each day go to epidemic.csv in the run's directory, or the working directory where there is none. The
# script tells lackey itself when it starts, how it ends, and what it came to, with curl; it runs without lackey, too.
set -u
LC_ALL=C
export LC_ALL

if [ $# -lt 4 ]; then
    echo "usage: epidemic.sh POPULATION BETA GAMMA DAYS [STEPS_A_DAY]" >&2
    exit 2
fi
population=$1 beta=$2 gamma=$3 days=$4 steps=${5:-100000}
table=${LACKEY_RUN_DIR:-.}/epidemic.csv
summary=${LACKEY_RUN_DIR:-.}/summary.txt

# One day from the state given on standard input. S, I and R are added up each for itself, so that their sum tells
# whether the arithmetic is sound.
one_day() {
    awk -v n="$population" -v beta="$beta" -v gamma="$gamma" -v steps="$steps" '
        {
            s = $1; i = $2; r = $3; dt = 1 / steps
            for (step = 0; step < steps; step++) {
                caught = beta * s * i / n; healed = gamma * i
                s1 = s - dt * caught; i1 = i + dt * (caught - healed)
                caught = (caught + beta * s1 * i1 / n) / 2; healed = (healed + gamma * i1) / 2
                s -= dt * caught; i += dt * (caught - healed); r += dt * healed
            }
            drift = s + i + r - n
            if (drift > n * 1e-9 || drift < -n * 1e-9) {
                print "S + I + R differs from the population by " drift > "/dev/stderr"
                exit 1
            }
            printf "%.17g %.17g %.17g\n", s, i, r
        }'
}

simulate() {
    echo "day,susceptible,infected,recovered" >"$table" || return 1
    state=$(awk -v n="$population" 'BEGIN { print n - 10, 10, 0 }') day=0
    while [ "$day" -lt "$days" ]; do
        state=$(echo "$state" | one_day) || return 1
        day=$((day + 1))
        echo "$day $state" | awk '{ printf "%d,%.6f,%.6f,%.6f\n", $1, $2, $3, $4 }' >>"$table" || return 1
        [ $((day % 10)) -ne 0 ] || echo "$day $state" |
            awk '{ printf "day %d: %.0f susceptible, %.0f infected, %.0f recovered\n", $1, $2, $3, $4 }'
    done
    awk -F, 'NR > 1 && $3 > most { most = $3; day = $1 }
        END { printf "at most %.0f infected at once, on day %d; %.0f ever infected\n", most, day, $3 + $4 }' \
        "$table" >"$summary" && cat "$summary"
}

report() (  # VERB [what to send]: says on stderr what went wrong, and never fails
    verb=$1; shift; set +eu
    case $verb in start | stop) ;; *) set -- -m 5 "$@" ;; esac
    for pause in 1 2 4 8 16 32 64 0; do
        said=$(printf 'header = "Authorization: Bearer %s"\n' "$LACKEY_TOKEN" |
            curl -sS --connect-timeout 10 -Y 1 -y 60 -X PUT -K - -w '\n%{http_code}' "$@" \
                "$LACKEY_URL/api/run/$verb/$LACKEY_RUN_ID")
        case $said in *2[0-9][0-9]) exit 0 ;; *408 | *429 | *5[0-9][0-9] | *000) ;; *) break ;; esac
        case $verb in start | stop) sleep $pause ;; *) break ;; esac
    done
    echo "lackey: $verb was not reported: $said" >&2 || :
)

if [ -n "${LACKEY_TOKEN:-}" ]; then
    # In the background: the simulation does not wait for lackey.
    report start -d "ts=$(date +%s)" &
fi
simulate
exit=$?
if [ -n "${LACKEY_TOKEN:-}" ]; then
    wait
    [ "$exit" -ne 0 ] || awk -F, 'NR > 1 && $3 > most { most = $3 }
        END { printf "most_infected %.0f\never_infected %.0f\n", most, $3 + $4 }' "$table" |
        while read -r name value; do report metric -d "name=$name&value=$value" </dev/null; done
    if [ -s "$summary" ]; then log=log@$summary; else log="log=the simulation wrote no summary"; fi
    report stop -d "ts=$(date +%s)&exit=$exit" --data-urlencode "$log"
fi
exit "$exit"
