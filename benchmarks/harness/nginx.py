"""nginx as the mock provider and as the yardstick proxy, each with a prefix of its own."""

import json
import subprocess
import urllib.request
from pathlib import Path

from harness import payloads, translated
from harness.processes import BenchError, Pinned, accepts, free_port

_TEMPLATES = Path(__file__).resolve().parent.parent / "nginx"
START_SECONDS = 10


class Nginx:
    """A running nginx."""

    def __init__(self, name: str, *, cpu: int, prefix: Path, values: dict[str, str]) -> None:
        self.port = free_port()
        config = prefix / f"{name}.conf"
        config.write_text(render(_TEMPLATES / f"{name}.conf.template", {**values, "PORT": str(self.port)}))
        self.pinned = Pinned(
            ["nginx", "-p", str(prefix), "-c", str(config), "-e", f"{name}.log"],
            cpu=cpu,
            log=prefix / f"{name}.out",
        )
        self.pinned.wait_until(lambda: accepts(self.port), seconds=START_SECONDS)

    @property
    def origin(self) -> str:
        """Return its scheme and authority."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def chat_url(self) -> str:
        """Return where chats are posted."""
        return f"{self.origin}/v1/chat/completions"

    def stop(self) -> None:
        """End it."""
        self.pinned.stop()


def start_upstream(*, cpu: int, prefix: Path) -> Nginx:
    """Start the mock provider. Raises BenchError when nginx or its njs module is missing."""
    anthropic, gemini, bedrock = translated.PROVIDERS
    bodies = {
        "COMPLETION": payloads.completion(),
        "STREAM": b"".join(payloads.stream_events(payloads.STREAM_MODEL)),
        "MESSAGE": anthropic.whole,
        "MESSAGE_STREAM": anthropic.stream,
        "GENERATED": gemini.whole,
        "GENERATED_STREAM": gemini.stream,
        "CONVERSE": bedrock.whole,
    }
    script = {name: json.dumps(body.decode()) for name, body in bodies.items()}
    (prefix / "upstream.js").write_text(render(_TEMPLATES / "upstream.js.template", script))
    events = prefix / "converse-stream.bin"
    events.write_bytes(bedrock.stream)
    values = {"MODULES": str(_modules_path()), "CONVERSE_STREAM": str(events)}
    return Nginx("upstream", cpu=cpu, prefix=prefix, values=values)


def start_proxy(upstream: Nginx, *, cpu: int, prefix: Path) -> Nginx:
    """Start the yardstick in front of the mock provider."""
    return Nginx("proxy", cpu=cpu, prefix=prefix, values={"UPSTREAM_PORT": str(upstream.port)})


def calls_seen(upstream: Nginx) -> int:
    """Return how many chats the mock provider has answered. Each question counts too, so ask at rest only."""
    with urllib.request.urlopen(f"{upstream.origin}/status", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return int(lines[2].split()[2])


def render(template: Path, values: dict[str, str]) -> str:
    """Return the template with each @NAME@ replaced."""
    text = template.read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _modules_path() -> Path:
    built = subprocess.run(["nginx", "-V"], capture_output=True, text=True, check=True).stderr
    for word in built.split():
        if word.startswith("--modules-path="):
            path = Path(word.partition("=")[2])
            if (path / "ngx_http_js_module.so").exists():
                return path
    raise BenchError("nginx has no njs module: apt-get install libnginx-mod-http-js")
