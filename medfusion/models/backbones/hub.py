"""Published weights: from the local cache, else from the hub, else an error at once."""

from __future__ import annotations

import socket
import threading
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from timm.models import get_pretrained_cfg

from medfusion.errors import WeightsError

PATIENCE = 1.5
"""Seconds within which the hub must take a connection."""

ANSWER = 5.0
"""Seconds within which the hub must answer the first question."""

_SAFE_NAME = {
    "pytorch_model.bin": "model.safetensors",
    "open_clip_pytorch_model.bin": "open_clip_model.safetensors",
}


def find_weights(name: str) -> Path:
    """Return the safetensors file with the published weights of an architecture.

    A file that was downloaded before is taken from the cache without any network. Otherwise the
    hub is asked once, and without a network the error comes within two seconds.

    Args:
        name: Architecture in timm, with or without a weight tag.

    Raises:
        WeightsError: There are none, they are not published as safetensors, or they can neither
            be found on this machine nor downloaded.
    """
    import huggingface_hub
    from huggingface_hub import constants

    repository, revision, filename = _location(name)
    cached = huggingface_hub.try_to_load_from_cache(repository, filename, revision=revision)
    if isinstance(cached, str):
        return Path(cached)
    url = huggingface_hub.hf_hub_url(repository, filename, revision=revision)
    if constants.HF_HUB_OFFLINE:
        raise _unavailable(name, url, "HF_HUB_OFFLINE forbids the network")
    if not _reachable(constants.ENDPOINT):
        raise _unavailable(name, url, f"{urlsplit(constants.ENDPOINT).hostname} cannot be reached")
    try:
        # One question without retries; only then the download, which has them.
        huggingface_hub.get_hf_file_metadata(url, timeout=ANSWER)
        return Path(huggingface_hub.hf_hub_download(repository, filename, revision=revision))
    except Exception as error:  # versions of the hub's client differ in what they raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise _unavailable(name, url, reason) from error


def _location(name: str) -> tuple[str, str | None, str]:
    config = get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        msg = (
            f"image encoder {name!r} has no published weights: set model.image.pretrained to false"
        )
        raise WeightsError(msg)
    filename = str(config.hf_hub_filename or "pytorch_model.bin")
    safe = _SAFE_NAME.get(filename, filename)
    if safe.endswith(".bin"):
        safe = safe.removesuffix(".bin") + ".safetensors"
    if not config.hf_hub_id or not safe.endswith(".safetensors"):
        msg = (
            f"the weights of {name!r} are not published as safetensors ({config.url or filename}): "
            "convert them yourself and give the file as model.image.weights"
        )
        raise WeightsError(msg)
    repository, _, revision = config.hf_hub_id.partition("@")
    return repository, revision or None, safe


def _unavailable(name: str, url: str, reason: str) -> WeightsError:
    return WeightsError(
        f"the weights of {name!r} are not on this machine and cannot be downloaded: {reason}. "
        f"Download {url} where there is a network and give the file as model.image.weights, "
        "or set model.image.pretrained to false"
    )


def _reachable(endpoint: str) -> bool:
    """Return whether the hub, or the proxy before it, takes a connection."""
    parts = urlsplit(endpoint)
    scheme, host = parts.scheme or "https", parts.hostname or ""
    proxy = urllib.request.getproxies().get(scheme)
    if proxy and not urllib.request.proxy_bypass(host):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    address = (parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443))
    answers: list[bool] = []

    def knock() -> None:
        try:
            socket.create_connection(address, timeout=PATIENCE).close()
        except OSError:
            return
        answers.append(True)

    # In a thread, since looking a name up has no time limit of its own.
    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return bool(answers)
