"""Commands, their placeholders and parameters: what is refused when an application is saved, or a run asked for."""

import pytest

from lackey.domain.application import Parameter
from lackey.domain.command import check_command, check_parameters, command_of_run, fill_parameters
from lackey.domain.refusals import Invalid

TEXTS = [Parameter("n"), Parameter("at")]
WHOLE = [Parameter("n", kind="integer"), Parameter("at", kind="integer")]


def text_of(command: str, parameters: list[Parameter] = TEXTS, shell: str = "/bin/sh", **values: str) -> str:
    check_command(command, parameters, shell)
    return command_of_run(command, parameters, values, shell)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("./heat {n}", './heat "${LACKEY_PARAM_N}"'),
        ("./heat -n{n} --at={at}", './heat -n"${LACKEY_PARAM_N}" --at="${LACKEY_PARAM_AT}"'),
        ("{n}{n}", '"${LACKEY_PARAM_N}""${LACKEY_PARAM_N}"'),
        ("echo ${n} ${HOME} $n", "echo ${n} ${HOME} $n"),
        ("mv a.{old,new} {}", "mv a.{old,new} {}"),
        ("awk '{print $1}' {n}", """awk '{print $1}' "${LACKEY_PARAM_N}\""""),
        ("awk '{ print }' {n}", """awk '{ print }' "${LACKEY_PARAM_N}\""""),
        ("echo 'it''s' \"a\\\"b\" {n}", 'echo \'it\'\'s\' "a\\"b" "${LACKEY_PARAM_N}"'),
        ("echo '\\' {n}", "echo '\\' \"${LACKEY_PARAM_N}\""),
        ("echo \\' {n}", 'echo \\\' "${LACKEY_PARAM_N}"'),
        ("echo a#b's' {n}", "echo a#b's' \"${LACKEY_PARAM_N}\""),
        ("# don't\n./heat \\\n{n}", '# don\'t\n./heat \\\n"${LACKEY_PARAM_N}"'),
        ("cd x;# don't\n./heat {n}", 'cd x;# don\'t\n./heat "${LACKEY_PARAM_N}"'),
        ("echo $'it\\'s' {n}", "echo $'it\\'s' \"${LACKEY_PARAM_N}\""),
        ("x={n}; export at={at}", 'x="${LACKEY_PARAM_N}"; export at="${LACKEY_PARAM_AT}"'),
        ("./heat > {n}.log 2>&1", './heat > "${LACKEY_PARAM_N}".log 2>&1'),
        ("case {n} in {at}) x;; esac", 'case "${LACKEY_PARAM_N}" in "${LACKEY_PARAM_AT}") x;; esac'),
        ('echo "$(sed "s/a/b/" {n})"', 'echo "$(sed "s/a/b/" "${LACKEY_PARAM_N}")"'),
        ("(./heat {n}) && f() { ./heat {at}; }", None),
        ("cat <<< {n}", 'cat <<< "${LACKEY_PARAM_N}"'),
        ("echo $${n}", 'echo $$"${LACKEY_PARAM_N}"'),
        ("scp x user@{n}:", 'scp x user@"${LACKEY_PARAM_N}":'),
    ],
)
def test_a_placeholder_becomes_a_quoted_variable_and_nothing_else_changes(command: str, text: str | None) -> None:
    plain = command.replace("{n}", '"${LACKEY_PARAM_N}"').replace("{at}", '"${LACKEY_PARAM_AT}"')
    assert text_of(command) == (plain if text is None else text)


@pytest.mark.parametrize(
    "command",
    [
        "cat > in.nml <<EOF\n&input n={n}, it='{at}' /\nEOF\n./heat in.nml",
        'cat > in.json <<EOF\n{"n": {n}, "at": "{at}", "more": {"n": {n}}}\nEOF',
        "cat <<EOF\nit's {n}\nEOF\necho it\\'s",
        'cat <<EOF\n`it` \\` \\\\{n} \\$ $ "{n} \n EOF\n\tEOF\nEOF x\nEOF',
        "cat <<-EOF\n\tn {n}\n\tEOF",
        "cat <<EOF\n EOF\n\tEOF\nEOF x\nn {n}\nEOF",
        "cat <<A <<B\na {n}\nA\nb {n}\nB\n",
        "cat <<A && cat <<'B'\na {n}\nA\nb {other}\nB\n",
        "x=$(cat <<EOF\nit's n={n} )\nEOF\n)",
        'f() { echo "$(cat <<EOF\n(n={n}\nEOF\n)"; }; f',
        "for i in 1 2; do case $i in 1) cat <<EOF;; esac\n;; {n} )\nEOF\ndone",
        "cat <<EOF | ./heat\nn {n}\nEOF",
        "cat 0<<EOF\nn \\\nEOF\n{n}\nEOF\n",
    ],
)
def test_in_a_here_document_a_placeholder_becomes_a_variable_without_quotes(command: str) -> None:
    expected = command.replace("{n}", "${LACKEY_PARAM_N}").replace("{at}", "${LACKEY_PARAM_AT}")
    assert text_of(command) == expected


def test_what_stands_in_a_here_document_keeps_its_own_rules() -> None:
    inner = "cat <<E\n$(echo {n}) $(( {n}*2 )) \\{n}\nE"
    meant = 'cat <<E\n$(echo "${LACKEY_PARAM_N}") $(( (${LACKEY_PARAM_N})*2 )) \\\\${LACKEY_PARAM_N}\nE'
    assert text_of(inner, WHOLE) == meant
    latex = "cat <<E\n\\begin{{document}} \\section{{{n}}} \\frac{n}{2}\nE"
    meant = "cat <<E\n\\begin{document} \\section{${LACKEY_PARAM_N}} \\frac${LACKEY_PARAM_N}{2}\nE"
    assert text_of(latex) == meant


@pytest.mark.parametrize(
    ("command", "shell"),
    [
        ("echo $(( {n} * 2 - {at} ))", "/bin/sh"),
        ('echo "$(( ({n} + 1) / 2 ))"', "/bin/sh"),
        ("(( x = {n} )); for (( i = 0; i < {n}; i++ )); do :; done", "/bin/bash"),
    ],
)
def test_a_shell_calculates_only_with_whole_numbers(command: str, shell: str) -> None:
    plain = command.replace("{n}", "(${LACKEY_PARAM_N})").replace("{at}", "(${LACKEY_PARAM_AT})")
    assert text_of(command, WHOLE, shell, n="-5", at="+0") == plain
    with pytest.raises(Invalid, match="declare n as integer"):
        check_command(command, TEXTS, shell)


@pytest.mark.parametrize("command", ["[[ {n} -gt 3 ]]", "let x={n}", "declare -i x={n}", "a[{n}]=3; echo ${a[{n}]}"])
def test_what_bash_evaluates_is_a_whole_number(command: str) -> None:
    check_command(command, WHOLE, "/bin/bash -l")
    with pytest.raises(Invalid, match="declare n as integer"):
        check_command(command, TEXTS, "/bin/bash -l")


@pytest.mark.parametrize("value", ["010", "08", "-007", "9223372036854775808", "-99999999999999999999"])
def test_a_value_that_a_shell_would_take_for_another_number_is_refused(value: str) -> None:
    with pytest.raises(Invalid, match="octal") as refused:
        text_of("echo $(( {n} + 1 ))", WHOLE, n=value)
    assert [error.field for error in refused.value.errors] == ["parameters.n"]
    assert text_of("echo {n}", WHOLE, n=value)


@pytest.mark.parametrize(
    "command",
    [
        "curl -w '%{http_code}' -o x {n}",
        "curl -w %{http_code} -o x {n}",
        'curl -w "%{http_code}" -o x {n}',
        "git log @{upstream}..HEAD {n}",
        "docker ps --format '{{.Names}}' {n}",
        "awk '{print}' {n}",
        'python3 -c \'d = {"a": 1}; print(f"{d}")\' {n}',
        "cat > t.j2 <<'EOF'\n{{name}} {{n}} {other}\nEOF\n./heat {n}",
        "cat <<\\EOF\n{other}\nEOF\n./heat {n}",
        'cat <<"EOF"\nit\'s {other}\nEOF\n./heat {n}',
        "echo $'{print}' {n}",
        "./heat {n} # with {n} and {other}",
        "# {n}, {other}, don't\n./heat {n}",
        "echo \\${n} \\{print} {n}",
        "awk '{{n}}' {n}",
        "`awk '{print}' f` {n}",
    ],
)
def test_braces_of_other_programs_are_left_to_them(command: str) -> None:
    before, placeholder, behind = command.rpartition(" {n}")
    if placeholder and "#" not in command:
        assert text_of(command) == before + ' "${LACKEY_PARAM_N}"' + behind
    else:
        assert text_of(command) == command.replace("./heat {n}", './heat "${LACKEY_PARAM_N}"')


@pytest.mark.parametrize("command", ["echo '{n", "echo $(", "cat <<$x\n$x", "if", ")", "a(b", "echo 'open %{m}"])
def test_a_command_without_placeholders_need_not_be_understood(command: str) -> None:
    assert text_of(command) == command


@pytest.mark.parametrize(
    "command",
    [
        "echo 'open {n}",
        "echo {n} $( (",
        "cat <<$x\n{n}\n$x",
        "echo {n} $[1]",
        "echo `x \\`{n}\\``",
        "echo {n} " + "$(" * 500,
    ],
)
def test_a_placeholder_in_a_text_that_is_not_understood_is_refused(command: str) -> None:
    with pytest.raises(Invalid, match=r"not understood|write \$\("):
        check_command(command, TEXTS)


@pytest.mark.parametrize("command", ["(( x = {n} ))", r"echo $'\'' {n} 'a\' \'"])
def test_what_dash_and_bash_read_differently_is_refused_where_it_may_be_either(command: str) -> None:
    with pytest.raises(Invalid, match=r"one way by dash|in single quotes"):
        check_command(command, WHOLE)
    check_command(command, WHOLE, "/bin/bash")


@pytest.mark.parametrize("command", ["./heat {m}", "./heat {N}", "awk {print} f", 'awk "{print}"', "cat <<E\n{m}\nE"])
def test_a_placeholder_that_nobody_declared_is_refused(command: str) -> None:
    with pytest.raises(Invalid, match=r"names no declared parameter \(declared: n\)"):
        check_command(command, TEXTS[:1])


def test_a_command_that_was_saved_and_is_refused_now_is_not_run() -> None:
    with pytest.raises(Invalid) as refused:
        command_of_run("cat <<'E'\n{n}\nE", TEXTS, {"n": "5", "at": "1"})
    assert [error.field for error in refused.value.errors] == ["application"]


def test_all_faulty_declarations_are_named_at_once() -> None:
    declared = [
        Parameter("1st"),
        Parameter("n"),
        Parameter("N"),
        Parameter("mode", kind="choice"),
        Parameter("size", default="big", kind="integer"),
        Parameter("shape", default="cube", choices=("ball", "rod")),
        Parameter("n\n"),
    ]
    with pytest.raises(Invalid) as refused:
        check_parameters(declared)
    assert [error.field for error in refused.value.errors] == [
        "parameters.0.name",
        "parameters.2.name",
        "parameters.3.choices",
        "parameters.4.default",
        "parameters.5.default",
        "parameters.6.name",
    ]


def test_good_declarations_pass() -> None:
    check_parameters([Parameter("n", "64", "integer"), Parameter("_x1"), Parameter("mode", None, "choice", ("a",))])


DECLARED = [
    Parameter("n", "64", "integer"),
    Parameter("step", None, "number"),
    Parameter("fast", "false", "boolean"),
    Parameter("mode", "a", "choice", ("a", "b")),
]


def test_what_is_not_given_takes_its_default() -> None:
    assert fill_parameters(DECLARED, {"step": "1e-3", "mode": "b"}) == {
        "n": "64",
        "step": "1e-3",
        "fast": "false",
        "mode": "b",
    }


def test_all_faulty_values_are_named_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        fill_parameters(DECLARED, {"n": "many", "fast": "yes", "mode": "c", "colour": "red"})
    assert [error.field for error in refused.value.errors] == [
        "parameters.n",
        "parameters.step",
        "parameters.fast",
        "parameters.mode",
        "parameters.colour",
    ]


@pytest.mark.parametrize("value", ["3.5", "", " 3", "0x10", "1_000", "٣", "3\n", "--3"])
def test_what_is_no_whole_number_to_a_simulation_is_refused(value: str) -> None:
    with pytest.raises(Invalid, match="whole number"):
        fill_parameters([Parameter("n", kind="integer")], {"n": value})


@pytest.mark.parametrize("value", ["abc", "", "1,5", "1_000", "٣", " 1.5", "1.5\n", "1e"])
def test_what_is_no_number_to_a_simulation_is_refused(value: str) -> None:
    with pytest.raises(Invalid, match="no number"):
        fill_parameters([Parameter("x", kind="number")], {"x": value})


@pytest.mark.parametrize("value", ["1.5", "-1e-300", "+3", ".5", "5."])
def test_numbers_arrive_as_they_were_written(value: str) -> None:
    assert fill_parameters([Parameter("x", kind="number")], {"x": value}) == {"x": value}


def test_a_value_that_no_environment_can_carry_is_refused() -> None:
    with pytest.raises(Invalid, match="NUL"):
        fill_parameters([Parameter("x")], {"x": "a\0b"})
