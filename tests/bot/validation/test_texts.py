"""Encoding, line ends, hidden characters, credentials: what a text may become."""

import base64
from typing import Unpack

import pytest

from bot.model.resolutions import Finding, GateVerdict
from bot.validation import credentials, encoding, unicode
from tests.bot.validation.candidates import ANCESTOR, OURS, THEIRS, Sides, candidate, said

CRLF: Sides = {
    "ours": OURS.replace(b"\n", b"\r\n"),
    "theirs": THEIRS.replace(b"\n", b"\r\n"),
    "ancestor": ANCESTOR.replace(b"\n", b"\r\n"),
}


def with_line(line: str, *, codec: str = "utf-8") -> bytes:
    """The result with one new line in its hunk, which is line 6."""
    return OURS.replace(b"    return a + 1\n", f"{line}\n".encode(codec))


def test_line_ends_stay_as_they_are() -> None:
    assert encoding.check(candidate(CRLF["ours"], **CRLF)) == []
    mixed = OURS.replace(b"\n", b"\r\n").replace(b"    return a + 1\r\n", b"    return a + 1\n")
    (finding,) = encoding.check(candidate(mixed, **CRLF))
    assert (finding.verdict, finding.lines) == (GateVerdict.REFUSED, (6, 6))
    assert len(encoding.check(candidate(OURS.replace(b"+ 1\n", b"+ 1\r\n")))) == 1
    assert len(encoding.check(candidate(OURS.replace(b"+ 1\n", b"+ 1\r  pass\n")))) == 1


def test_a_mix_of_line_ends_that_the_sides_have_may_stay() -> None:
    ours = OURS.replace(b"+ 1\n", b"+ 1\r\n")
    assert encoding.check(candidate(ours, ours=ours)) == []


def test_a_byte_order_mark_is_neither_lost_nor_added() -> None:
    mark = b"\xef\xbb\xbf"
    sides: Sides = {"ours": mark + OURS, "theirs": mark + THEIRS, "ancestor": mark + ANCESTOR}
    assert encoding.check(candidate(mark + OURS, **sides)) == []
    assert said(encoding.check(candidate(OURS, **sides))) == ["The byte order mark was removed."]
    assert said(encoding.check(candidate(mark + OURS))) == ["The byte order mark was added."]


def test_utf8_stays_utf8_and_text_stays_text() -> None:
    assert encoding.check(candidate(with_line("    return 'é'"))) == []
    assert "not in the encoding" in encoding.check(candidate(with_line("    return 'é'", codec="latin-1")))[0].message
    assert "binary" in encoding.check(candidate(b"\0" + OURS))[0].message


def test_a_one_byte_encoding_is_not_turned_into_utf8() -> None:
    ours = with_line("    return 'café'", codec="latin-1")
    assert encoding.check(candidate(ours, ours=ours)) == []
    (finding,) = encoding.check(candidate(with_line("    return 'café'"), ours=ours, theirs=THEIRS + b"\xe9"))
    assert (finding.message, finding.lines) == ("This line was turned into UTF-8.", (6, 6))


def test_a_character_that_was_lost_is_seen() -> None:
    ours = with_line("    return 'café'", codec="latin-1")
    (finding,) = encoding.check(candidate(with_line("    return 'caf\ufffd'"), ours=ours))
    assert "U+FFFD" in finding.message


def hidden(line: str, **sides: Unpack[Sides]) -> list[Finding]:
    return unicode.check(candidate(with_line(line), **sides))


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\u202e", "U+202E"),
        ("\u2066", "U+2066"),
        ("\u200b", "U+200B"),
        ("\u200d", "U+200D"),
        ("\u2060", "U+2060"),
        ("\u00ad", "U+00AD"),
        ("\ufe0f", "U+FE0F"),
        ("\U000e0069", "U+E0069"),
        ("\U000e0101", "U+E0101"),
        ("\u3164", "U+3164"),
        ("\u115f", "U+115F"),
        ("\u2800", "U+2800"),
        ("\u034f", "U+034F"),
        ("\u2028", "U+2028"),
        ("\u2029", "U+2029"),
        ("\ue000", "U+E000"),
        ("\ufeff", "U+FEFF"),
        ("\x1b", "U+001B"),
        ("\x08", "U+0008"),
        ("\x85", "U+0085"),
        ("\U0001f9ff\ufe0f", "U+FE0F"),
        ("\U00060000", "U+60000"),
    ],
)
def test_a_hidden_character_is_named_with_its_place(character: str, name: str) -> None:
    findings = hidden(f"    x = '{character}'")
    assert [finding.verdict for finding in findings] == [GateVerdict.NEEDS_PERSON]
    assert findings[0].message.startswith(f"Column {9 + character.index(character[-1]) + 1}: {name} ")
    assert findings[0].lines == (6, 6)


@pytest.mark.parametrize("word", ["is_\u0430dmin", "\u0391BC", "p\u0430ypal", "\uff41bc", "x\u03bf"])
def test_a_look_alike_letter_is_named(word: str) -> None:
    (finding,) = hidden(f"    {word} = 1")
    assert finding.verdict is GateVerdict.NEEDS_PERSON
    assert "among Latin letters" in finding.message


@pytest.mark.parametrize(
    ("known", "word"),
    [
        ("copy", "\u0441\u043e\u0440\u0443"),  # all Cyrillic
        ("OPEN", "\u039fPEN"),
        ("scope", "s\u0441ope"),
        ("gap", "\u0261ap"),  # a letter of a Latin alphabet
        ("eval", "\uff45\uff56\uff41\uff4c"),
        ("eval", "\U0001d41eval"),
        ("sum", "\u017fum"),
        ("IV", "\u2163"),
    ],
)
def test_a_word_that_reads_like_one_of_the_sides_is_named(known: str, word: str) -> None:
    ours = with_line(f"    {known} = 2")
    (finding,) = hidden(f"    {word} = 1", ours=ours)
    assert finding.verdict is GateVerdict.NEEDS_PERSON


@pytest.mark.parametrize("word", ["\uff45\uff56\uff41\uff4c", "\U0001d41e\U0001d42f"])
def test_a_word_that_compilers_take_for_latin_is_named_wherever_it_is(word: str) -> None:
    assert len(hidden(f"    {word}(1)")) == 1


@pytest.mark.parametrize("line", ["    # yaz\u0131l\u0131m", "    s = '\u0441\u043e\u0440\u0443'", "    x = 1\u00aa"])
def test_words_of_other_alphabets_are_no_look_alikes(line: str) -> None:
    assert hidden(line) == []


@pytest.mark.parametrize(
    "line", ["    s = 'Привет мир'", "    Δt = 1", "    s = '日本語 text'", "    s = 'naïve café — “ok”'", "\ts"]
)
def test_ordinary_text_of_the_world_is_left_alone(line: str) -> None:
    assert hidden(line) == []


def test_what_a_side_has_may_stay() -> None:
    line = "    x = '\u200b\u202e' + is_\u0430dmin"
    assert hidden(line, ours=with_line(line)) == []
    assert hidden("    y = '\u200b' + is_\u0430dmin", ours=with_line("    x = '\u200b' + is_\u0430dmin")) == []


def test_a_direction_control_may_not_move_to_another_line() -> None:
    ours = with_line("    x = \u202e 1")
    assert len(hidden("    if admin: \u202e 1", ours=ours)) == 1


def test_one_strange_byte_hides_no_hidden_character() -> None:
    ours = OURS.replace(b"+ 1", b"+ '\xe9'")
    (finding,) = unicode.check(candidate(ours.replace(b"+ '", "+ '\u2066".encode()), ours=ours))
    assert "U+2066" in finding.message


def test_bytes_of_a_one_byte_encoding_are_no_controls() -> None:
    ours = with_line("    return '\x93quoted\x94 \xe9'", codec="latin-1")
    changed = with_line("    return '\x93quoted\x94 and \x93more\x94 \xe9'", codec="latin-1")
    assert unicode.check(candidate(changed, ours=ours)) == []


SECRETS = [
    ("ghs_1234567_eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2lnbmF0dXJl", "a GitHub token"),  # ADV-015
    ("ghp_" + "a1B2" * 9, "a GitHub token"),
    ("github_pat_" + "A1" * 20, "a GitHub token"),
    ("glpat-" + "x" * 20, "a GitLab token"),
    ("sk-ant-api03-" + "Ab-1" * 20, "an Anthropic key"),
    ("sk-proj-" + "Ab1_" * 12, "an OpenAI key"),
    ("AKIAIOSFODNN7EXAMPLE", "an AWS access key id"),
    ("aws_secret_access_key = " + "aB3/" * 10, "an AWS secret key"),
    ("AIza" + "b" * 35, "a Google API key"),
    ("xoxb-123456789012-abcdef", "a Slack token"),
    ("sk_live_" + "a1" * 12, "a Stripe key"),
    ("npm_" + "a" * 36, "an npm token"),
    ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----", "a private key"),
    ("-----BEGIN PGP PRIVATE KEY BLOCK-----", "a private key"),
    ("postgres://admin:hunter2hunter2@db/x", "a password in a URL"),
    ("hf_" + "aB" * 17, "a Hugging Face token"),
    ("dop_v1_" + "a1" * 32, "a DigitalOcean token"),
    ("SG." + "aB1-" * 5 + "." + "xY2_" * 10, "a SendGrid key"),
    ("SK" + "0a" * 16, "a Twilio key"),
    ("dckr_pat_" + "aB1" * 9, "a Docker token"),
    ("hvs." + "aB1_" * 8, "a Vault token"),
    ("dapi" + "0a" * 16, "a Databricks token"),
    ("123456789:AA" + "b" * 33, "a Telegram token"),
    ("shpat_" + "0a" * 16, "a Shopify token"),
    ("https://discord.com/api/webhooks/1234567890/" + "aB1_" * 10, "a Discord webhook"),
    ("AccountKey=" + "aB1/" * 12 + "==", "an Azure key"),
    ("//registry.npmjs.org/:_authToken=" + "aB1-" * 6, "an npm password"),
    ("GOCSPX-" + "aB1_" * 7, "a Google OAuth secret"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + "x" * 43, "a JSON Web Token"),
]


@pytest.mark.parametrize(("secret", "what"), SECRETS)
def test_a_new_credential_is_refused_and_never_shown(secret: str, what: str) -> None:
    findings = credentials.check(candidate(with_line(f"    x = '{secret}'")))
    assert what in " ".join(said(findings))
    assert GateVerdict.REFUSED in {finding.verdict for finding in findings}
    for finding in findings:
        assert finding.lines == (6, 6)
        assert secret not in finding.message


@pytest.mark.parametrize(("secret", "_what"), SECRETS)
def test_a_credential_that_a_side_has_is_not_our_business(secret: str, _what: str) -> None:
    line = f"    x = '{secret}'"
    assert credentials.check(candidate(with_line(line), theirs=with_line(line))) == []


@pytest.mark.parametrize(
    "line",
    [
        "    password = 'kX9#qT2!vL7mZ4@wR8'",
        '    "api_key": "f3Qz81LmNb07XcVt55Rp"',
        "    SECRET_KEY: zq81mXv07LpTn34RcYw2",
        "    client_secret => 'p9Q7w5E3r1T8y6U4i2O0'",
    ],
)
def test_a_random_value_with_a_name_for_secrets_needs_a_person(line: str) -> None:
    (finding,) = credentials.check(candidate(with_line(line)))
    assert (finding.verdict, finding.lines) == (GateVerdict.NEEDS_PERSON, (6, 6))
    assert "z" not in finding.message
    assert credentials.check(candidate(with_line(line), theirs=with_line("    x = 1\n" + line))) == []


@pytest.mark.parametrize(
    "line",
    [
        "    password = get_password_from_environment()",
        "    token = request.headers.authorization",
        "    secret = 'aaaaaaaaaaaaaaaaaaaa1'",
        "    password_field = 'password-confirmation'",
    ],
)
def test_names_and_words_are_no_random_values(line: str) -> None:
    assert credentials.check(candidate(with_line(line))) == []


def test_another_private_key_under_a_known_header_is_seen() -> None:
    header = "-----BEGIN RSA PRIVATE KEY-----\n"
    ours = with_line(header + "MIIEpAIBAAKCAQEAold")
    assert len(credentials.check(candidate(with_line(header + "MIIEpAIBAAKCAQEAnew"), ours=ours))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "    laughs_at(x)",
        "    sk-learn",
        "    url = 'https://x:y@h'",
        "    u = f'https://{user}:{password}@h/'",
        "    ghp_x",
    ],
)
def test_what_only_resembles_a_credential_is_left_alone(line: str) -> None:
    assert credentials.check(candidate(with_line(line))) == []


@pytest.mark.parametrize(
    "line",
    ["    x = 'AKIA' + 'Q2W3E4R5T6Y7U7I2'", '    x = "AKIAQ2W3" "E4R5T6Y7U7I2"', "x = 'AK'.'IAQ2W3E4R5T6Y7U7I2'"],
)
def test_a_credential_in_pieces_is_one(line: str) -> None:
    assert [finding.verdict for finding in credentials.check(candidate(with_line(line)))] == [GateVerdict.REFUSED]
    assert credentials.check(candidate(with_line(line), theirs=with_line(line))) == []


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED "])
def test_an_encoded_private_key_is_one(kind: str) -> None:
    encoded = base64.b64encode(f"-----BEGIN {kind}PRIVATE KEY-----\nMIIEpAIBAAKCAQEA".encode()).decode()
    assert len(credentials.check(candidate(with_line(f"  tls: {encoded}")))) == 1
    certificate = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIE").decode()
    assert credentials.check(candidate(with_line(f"  tls: {certificate}"))) == []
