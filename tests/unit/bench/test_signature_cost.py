"""The measured signatures are those of a send."""

import re

from click.testing import CliRunner

from bench.command import bench
from bench.signature_cost import steps


def test_every_step_signs_or_finds_no_fault() -> None:
    outcomes = [step() for step in steps().values()]
    assert outcomes.count(None) == 2, "what is checked is good"
    assert len(outcomes) == 5


def test_the_share_of_a_send_is_told() -> None:
    done = CliRunner().invoke(bench, ["signatures", "--rounds", "1", "--send-us", "500"])
    assert done.exit_code == 0, done.output
    figures = [float(text) for text in re.findall(r"([\d.]+) µs", done.output)]
    *single, total, of = figures
    assert (len(single), of) == (5, 500)
    assert abs(sum(single) - total) < 0.05
    (share,) = re.findall(r"([\d.]+)%", done.output)
    assert abs(float(share) - total / 5) < 0.06
