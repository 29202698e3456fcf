"""The lines of the README work when they are pasted."""

import json
import re
import subprocess
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_the_curl_lines_work_when_pasted(gateway_url: str) -> None:
    (script,) = re.findall(r"```bash\n(.*?)```", README.read_text(), re.S)
    assert script.count("curl ") == 5
    address = gateway_url.removeprefix("http://")
    pasted = script.replace("localhost:3001", address).replace("\ncurl ", "\necho; curl ")
    done = subprocess.run(
        ["bash", "-eu", "-c", pasted], capture_output=True, text=True, timeout=60, check=True
    )
    sent, history, me = (json.loads(line) for line in done.stdout.split("\n") if line)
    assert (sent["content"], sent["sequence"], sent["nonce"]) == ("Hello, everyone!", 1, "first")
    assert history == {"items": [sent], "next": None}
    assert me["id"] == sent["profileId"]
