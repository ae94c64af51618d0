"""The demo's own pull request: two people extend the same list and the same changelog, and raise the version.

The repository has tests, and says so.
"""

from typing import Final

_CURRENCIES: Final = '''"""Currencies we settle in, with the digits after the point."""

DIGITS = {{
    "EUR": 2,
    "USD": 2,
{more}}}


def minor_units(amount: str, currency: str) -> int:
    """An amount such as ``12.50`` in the currency's smallest unit."""
    whole, _, fraction = amount.partition(".")
    digits = DIGITS[currency]
    return int(whole + fraction.ljust(digits, "0")[:digits])
'''

_CHANGELOG: Final = """# Changelog

## Unreleased

{more}- Settle in US dollars.

## 1.0

- Settle in euros.
"""

_CONFIG: Final = "version: 1\ntest_command: python3 -m unittest discover -q -s tests -t .\n"

_TESTS: Final = """import unittest

from payments.currencies import DIGITS, minor_units


class MinorUnits(unittest.TestCase):
    def test_an_amount_in_euros_has_cents(self):
        self.assertEqual(minor_units("12.5", "EUR"), 1250)

    def test_every_currency_takes_an_amount(self):
        for currency, digits in DIGITS.items():
            self.assertEqual(minor_units("3", currency), 3 * 10**digits)
"""

_YEN_TEST: Final = """import unittest

from payments.currencies import minor_units


class Yen(unittest.TestCase):
    def test_yen_have_no_smaller_unit(self):
        self.assertEqual(minor_units("3", "JPY"), 3)
"""

README: Final = "# payments\n\nA small library, made up for this demo.\n"


def files(*, version: str, currency: str = "", change: str = "") -> dict[str, str]:
    """The repository's files; ``currency`` and ``change`` are lines one side adds."""
    return {
        "payments/__init__.py": f'"""Payments."""\n\n__version__ = "{version}"\n',
        "README.md": README,
        "CHANGELOG.md": _CHANGELOG.format(more=change),
        "payments/currencies.py": _CURRENCIES.format(more=currency),
        "tests/__init__.py": "",
        "tests/test_currencies.py": _TESTS,
        ".flowforge.yml": _CONFIG,
    }


BASE: Final = files(version="1.0.0")
OURS: Final = files(version="1.0.1", currency='    "JPY": 0,\n', change="- Settle in yen.\n")
THEIRS: Final = files(
    version="1.1.0", currency='    "CHF": 2,\n    "SEK": 2,\n', change="- Settle in francs and kronor.\n"
)

YEN: Final = {
    "payments/currencies.py": _CURRENCIES.format(more='    "JPY": 0,\n'),
    "CHANGELOG.md": _CHANGELOG.format(more="- Settle in yen.\n"),
    "tests/test_yen.py": _YEN_TEST,
}
"""What an issue asks for: another currency, and a test of it."""
