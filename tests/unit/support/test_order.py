"""The order in which tests run, and their groups."""

from pathlib import Path

from tests.conftest import ONE_WORKER, ORDER, rank_of


def test_garbage_in_kafka_comes_after_the_tests_that_read_all_topics() -> None:
    garbage = rank_of("tests/e2e/test_kafka_garbage.py::test_x")
    assert rank_of("tests/e2e/test_secrets_in_kafka.py::test_x") < garbage
    assert rank_of("tests/e2e/test_uploads.py::test_x") < garbage < rank_of("tests/cli/test_up.py::test_x")


def test_the_longest_prefix_counts() -> None:
    assert rank_of("tests/faults/test_files.py::test_a_x") < rank_of("tests/faults/test_files.py::test_s3")
    assert rank_of("tests/cli/test_up.py::test_x") < rank_of("tests/cli/test_other.py::test_x")
    assert rank_of("tests/new/test_x.py::test_x") == len(ORDER)


def test_groups_and_order_name_existing_tests() -> None:
    root = Path(__file__).parents[2]
    paths = [prefix.partition("::")[0] for prefix in ORDER]
    for starts in ONE_WORKER.values():
        paths += [start.removeprefix("tests/").partition("::")[0] for start in starts]
    assert [path for path in paths if not (root / path).exists()] == []
