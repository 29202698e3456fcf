"""The checks of `concord doctor`: `all_checks` yields `CheckResult`s. Imports embedded and launcher."""
