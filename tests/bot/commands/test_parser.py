import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.command_parser import MAX_CHARACTERS, added_commands, fault_message, parse_comment
from bot.command_words import CommandFault, FaultKind, ParsedCommand
from bot.commands import BY_WORD, MAX_COMMANDS, CommandName
from bot.model.cases import Choice

BOT = "flowforge-bot"

PIECES = st.sampled_from(
    [
        "/flowforge",
        "@flowforge-bot",
        " resolve",
        " approve",
        " --budget",
        " --dry-run",
        "=3",
        " 1f3870b",
        '"',
        "'",
        "\n",
        "\r\n",
        "\n\n",
        "> ",
        "- ",
        "1. ",
        "# ",
        "```",
        "~~~",
        "`",
        "<!--",
        "-->",
        "<details>",
        "</details>",
        "<pre>",
        "[",
        "](x)",
        "![",
        "|",
        "|---|",
        "    ",
        "\t",
        "\\",
        "\0",
        "\u2028",
        "\ud800",
        "\N{EM DASH}",
    ],
)
COMMENTS = st.lists(PIECES | st.text(max_size=8), max_size=40).map("".join)
COMMAND_LINES = st.sampled_from(
    ["/flowforge help", "/flowforge approve 1f3870b", "@flowforge-bot resolve keep `both`", "/flowforge nonsense"],
)


def names(body: str) -> list[CommandName]:
    return [item.name for item in parse_comment(body, mention=BOT) if isinstance(item, ParsedCommand)]


def only_fault(body: str) -> CommandFault:
    (item,) = parse_comment(body, mention=BOT)
    assert isinstance(item, CommandFault)
    return item


@given(COMMENTS)
def test_no_text_raises_and_every_command_begins_its_line(body: str) -> None:
    lines = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for item in parse_comment(body, mention=BOT):
        assert lines[item.line - 1].startswith(item.text)
        assert item.text.casefold().startswith(("/flowforge", "@flowforge-bot"))


@given(COMMENTS)
def test_a_quoted_comment_holds_no_commands(body: str) -> None:
    quoted = "".join(f"> {line}\n" for line in body.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    assert parse_comment(quoted, mention=BOT) == []


@given(COMMENTS)
def test_a_fenced_comment_holds_no_commands(body: str) -> None:
    assert parse_comment("~" * 50 + "\n" + body.replace("~", "") + "\n" + "~" * 50, mention=BOT) == []


@given(COMMENTS)
def test_an_unclosed_fence_holds_no_commands(body: str) -> None:
    assert parse_comment("`" * 50 + "\n" + body.replace("`", ""), mention=BOT) == []


@given(COMMENTS)
def test_an_indented_comment_holds_no_commands(body: str) -> None:
    lines = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert parse_comment("".join(f"    {line}\n" for line in lines), mention=BOT) == []


@given(COMMENTS)
def test_a_comment_in_an_html_comment_holds_no_commands(body: str) -> None:
    assert parse_comment("<!--\n" + body.replace("-->", "") + "\n-->", mention=BOT) == []


@given(COMMENTS)
def test_a_list_item_holds_no_commands(body: str) -> None:
    lines = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert parse_comment("- x\n" + "".join(f"  {line}\n" for line in lines), mention=BOT) == []


@given(COMMENTS, st.integers(min_value=0, max_value=5))
def test_parsing_does_not_depend_on_line_ends_or_words_before(body: str, paragraphs: int) -> None:
    plain = body.replace("\r\n", "\n").replace("\r", "\n")
    expected = parse_comment(plain, mention=BOT)
    assert parse_comment(plain.replace("\n", "\r\n"), mention=BOT) == expected
    assert parse_comment("Words.\n\n" * paragraphs + plain, mention=BOT) == expected


@given(COMMENTS)
def test_an_edit_that_changes_nothing_adds_nothing(body: str) -> None:
    assert added_commands(body, body, mention=BOT) == []


@given(COMMENTS)
def test_all_of_a_comment_is_added_to_an_empty_one(body: str) -> None:
    assert added_commands("", body, mention=BOT) == parse_comment(body, mention=BOT)


@given(st.lists(COMMAND_LINES, max_size=5), st.lists(COMMAND_LINES, max_size=5))
def test_an_edit_adds_the_difference_of_the_multisets(before: list[str], after: list[str]) -> None:
    added = added_commands("\n".join(before), "\n".join(after), mention=BOT)
    wanted = after.copy()
    for line in before:
        if line in wanted:
            wanted.remove(line)
    assert sorted(item.text for item in added) == sorted(wanted)


def test_ordinals_are_those_of_the_edited_comment() -> None:
    added = added_commands("/flowforge help", "/flowforge status\n/flowforge help\n/flowforge help", mention=BOT)
    assert [(item.text, item.ordinal, item.line) for item in added] == [
        ("/flowforge status", 0, 1),
        ("/flowforge help", 2, 3),
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/flowforge undo", "/flowforge rollback"),
        ("/flowforge help", "@flowforge-bot  HELP"),
        ("/flowforge resolve --budget 3 --dry-run x", "/flowforge resolve  --dry-run --budget=3.00 x"),
        ("/flowforge approve 1F3870B", "I am sure now.\n\n/flowforge approve 1f3870b"),
        ("/flowforge approve", "> /flowforge approve\n\ndone"),
        ("/flowforge help\n/flowforge status", "/flowforge status\n/flowforge help"),
        ("/flowforge approve", ""),
    ],
)
def test_what_asks_for_the_same_is_not_added(before: str, after: str) -> None:
    assert added_commands(before, after, mention=BOT) == []


def test_taking_a_command_out_of_a_quote_adds_it() -> None:
    (added,) = added_commands("> /flowforge approve", "/flowforge approve", mention=BOT)
    assert isinstance(added, ParsedCommand)
    assert added.name is CommandName.APPROVE


def test_repairing_one_line_runs_that_line_only() -> None:
    added = added_commands("/flowforge help\n/flowforge aprove", "/flowforge help\n/flowforge approve", mention=BOT)
    assert [item.text for item in added] == ["/flowforge approve"]


def test_too_many_commands_run_none() -> None:
    body = "/flowforge help\n" * (MAX_COMMANDS + 1)
    assert only_fault(body).kind is FaultKind.TOO_MANY_COMMANDS
    assert names("/flowforge help\n" * MAX_COMMANDS) == [CommandName.HELP] * MAX_COMMANDS


def test_an_edit_cannot_launder_commands_through_a_comment_with_too_many() -> None:
    five = "/flowforge help\n" * MAX_COMMANDS
    (fault,) = added_commands(five, five + "/flowforge status\n", mention=BOT)
    assert isinstance(fault, CommandFault)
    assert fault.kind is FaultKind.TOO_MANY_COMMANDS
    assert added_commands(five + "/flowforge status\n", five, mention=BOT) == []
    assert added_commands(five + "/flowforge status\n", five + "\nWords.\n\n/flowforge status\n", mention=BOT) == []


def test_a_comment_that_is_too_long_runs_nothing() -> None:
    body = "/flowforge approve\n\n" + "x" * MAX_CHARACTERS
    assert only_fault(body).kind is FaultKind.COMMENT_TOO_LONG
    assert parse_comment("x" * (MAX_CHARACTERS + 1), mention=BOT) == []
    assert names(("/flowforge approve\n\n" + "x" * MAX_CHARACTERS)[:MAX_CHARACTERS]) == [CommandName.APPROVE]


def test_an_edit_from_or_to_a_comment_that_is_too_long_runs_nothing() -> None:
    long = "/flowforge approve\n\n" + "x" * MAX_CHARACTERS
    for before, after in (("", long), (long, "/flowforge approve")):
        (fault,) = added_commands(before, after, mention=BOT)
        assert isinstance(fault, CommandFault)
        assert fault.kind is FaultKind.COMMENT_TOO_LONG


@pytest.mark.parametrize("mention", ["flowforge-bot", "@flowforge-bot", "flowforge-bot[bot]"])
def test_the_login_may_be_given_in_any_spelling(mention: str) -> None:
    assert len(parse_comment("@flowforge-bot help\n@flowforge-bot[bot] help", mention=mention)) == 2


@given(st.text(max_size=80).filter(lambda word: not set(word) & set("\r\n")))
def test_nothing_of_a_fault_can_format_mention_link_or_run(word: str) -> None:
    for body in (f"/flowforge x{word}", f"/flowforge resolve --x{word}", f"/flowforge approve z{word}"):
        faults = [item for item in parse_comment(body, mention=BOT) if isinstance(item, CommandFault)]
        message = fault_message([*faults, *faults])
        assert parse_comment(message, mention=BOT) == []
        for token in MarkdownIt("commonmark").parse(message):
            inert = {"text", "code_inline", "softbreak"}
            for child in token.children or []:
                assert child.type in inert
                if child.type == "text":
                    assert not set(child.content) & set("@#<>[]"), message


def test_one_message_for_all_faults_of_a_comment() -> None:
    faults = [
        item
        for item in parse_comment("/flowforge reslove\n\n/flowforge resolve --budget", mention=BOT)
        if isinstance(item, CommandFault)
    ]
    assert fault_message(faults[:1]) == "There is no command `reslove`. Did you mean `resolve`?"
    assert fault_message(faults) == (
        "- Line 1: There is no command `reslove`. Did you mean `resolve`?\n"
        "- Line 3: `--budget` lacks its value. It must be an amount in US dollars above 0 and at most 100, "
        "such as `2.50`."
    )


AMOUNTS = st.integers(min_value=1, max_value=10_000).map(lambda cents: f"{cents // 100}.{cents % 100:02}")
WORDS = st.text(alphabet="abcxyz-._'\"`$();&|<>äß日本\N{WHITE HEAVY CHECK MARK}", min_size=1, max_size=12)


@given(
    amount=AMOUNTS,
    model=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True),
    dry_run=st.booleans(),
    glued=st.booleans(),
    words=st.lists(WORDS, max_size=6),
)
def test_what_was_written_is_what_is_read(
    amount: str,
    model: str,
    words: list[str],
    *,
    dry_run: bool,
    glued: bool,
) -> None:
    joint = "=" if glued else " "
    flag = " --dry-run" if dry_run else ""
    instructions = " ".join(words)
    body = f"/flowforge resolve --budget{joint}{amount}{flag} --model{joint}{model} -- {instructions}"
    (item,) = parse_comment(body, mention=BOT)
    assert isinstance(item, ParsedCommand)
    assert item.number("budget") == float(amount)
    assert item.word("model") == model
    assert item.flag("dry-run") is dry_run
    assert (item.word("instructions") or "") == instructions


@given(st.sampled_from(sorted(BY_WORD)))
def test_every_word_of_the_table_is_understood_in_any_case(word: str) -> None:
    more = {CommandName.TAKE: " ours a.py", CommandName.OK: " " + "9ae0f6c1" * 5}.get(BY_WORD[word].name, "")
    for spelling in (word, word.upper(), word.title()):
        assert names(f"/flowforge {spelling}{more}") == [BY_WORD[word].name]


PATHS = st.text(alphabet="abcxyz-._/*~$();&|<>äß日本 \"'`\\", min_size=1, max_size=30).map(str.strip).filter(bool)


@given(st.sampled_from(list(Choice)), PATHS, st.sampled_from(["'", '"', "`", "``` "]))
def test_a_path_is_taken_to_the_letter_however_it_is_quoted(choice: Choice, path: str, quote: str) -> None:
    quoted = f"{quote}{path}{quote[::-1]}"
    written = [path] if path[0] not in "'\"`" else []
    written += [quoted] if not path.startswith("`") and path[-1] != quote[0] and "```" not in path else []
    for way in written:
        (item,) = parse_comment(f"/flowforge take {choice} {way}", mention=BOT)
        assert isinstance(item, ParsedCommand)
        assert (item.word("side"), item.word("path")) == (choice, path)


@given(st.text(max_size=20).filter(lambda text: not set(text) & set("\r\n")))
def test_a_path_never_holds_what_cannot_be_seen(text: str) -> None:
    for body in (f"/flowforge take ours a{text}", f"/flowforge take ours `{text}`"):
        for item in parse_comment(body, mention=BOT):
            path = item.word("path") if isinstance(item, ParsedCommand) else None
            assert path is None or (path and not set(path) & set("\t\0\x1b\u202e\u200b\ud800\u2028"))


@pytest.mark.parametrize("length", [2000, 2001])
def test_instructions_have_a_length(length: int) -> None:
    parsed = parse_comment("/flowforge resolve " + "x" * length, mention=BOT)
    assert isinstance(parsed[0], CommandFault) is (length > 2000)


HEAVY = {
    "brackets": "[" * 65_000,
    "images": "![" * 32_000,
    "backticks": "".join("`" * n + "a" for n in range(1, 350)),
    "html": "<![CDATA[" * 7_000,
    "comments": "<!--" * 16_000,
    "quotes": "> " * 32_000,
    "lists": "- " * 32_000,
    "lines": "/flowforge x\n" * 5_000,
    "table": "|a" * 1_000 + "\n" + "|-" * 1_000 + "\n" + "|a\n" * 15_000,
    "dashes": "--x" * 21_000,
    "spaces": " " * 65_000 + "x",
}


@pytest.mark.timeout(60)  # what explodes takes minutes
@pytest.mark.parametrize("name", sorted(HEAVY))
def test_hostile_comments_are_read_in_time(name: str) -> None:
    body = ("/flowforge resolve " + HEAVY[name])[:MAX_CHARACTERS]
    parse_comment(body, mention=BOT)
