"""Commands, their placeholders and parameters: what is refused when an application is saved, or a run asked for."""

import pytest

from lackey.domain.application import Parameter
from lackey.domain.command import check_command, check_parameters, fill_parameters, shell_text
from lackey.domain.refusals import Invalid


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
    ],
)
def test_a_placeholder_becomes_a_quoted_variable_and_nothing_else_changes(command: str, text: str) -> None:
    check_command(command, ["n", "at"])
    assert shell_text(command, ["n", "at"]) == text


@pytest.mark.parametrize(
    "command",
    [
        "echo '{n}'",
        'echo "{n}"',
        'echo "a \\" {n}"',
        "echo 'a\\' '{n}'",
        'echo "it\'s {n}"',
        "echo `cat {n}`",
        "echo \\{n}",
        "./heat # with {n}",
        "./heat;# with {n}",
        "# {n}",
        "echo 'open {n}",
    ],
)
def test_a_placeholder_inside_quotes_or_a_comment_is_refused(command: str) -> None:
    with pytest.raises(Invalid, match="inside quotes or a comment"):
        check_command(command, ["n"])


@pytest.mark.parametrize("command", ["./heat {m}", "./heat {N}", "awk '{print}' f"])
def test_a_placeholder_that_nobody_declared_is_refused(command: str) -> None:
    with pytest.raises(Invalid, match=r"names no declared parameter \(declared: n\)"):
        check_command(command, ["n"])


def test_the_refusal_says_how_to_write_braces_of_ones_own() -> None:
    with pytest.raises(Invalid, match=r"write \{ print \}"):
        check_command("awk '{print}' f", [])
    check_command("awk '{ print }' f", [])


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
