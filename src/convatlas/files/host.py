"""What is asked of a host, and what it may answer instead."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from http import HTTPStatus

_CHUNK = 1 << 18  # bytes read at a time


class TransferError(Exception):
    """Why a file has not come, in words that follow a colon."""


def ask(
    url: str, timeout: float, *, after: int = 0, version: str = ""
) -> tuple[http.client.HTTPResponse, bool]:
    """The host's answer, and whether it goes on where what is here ends.

    Args:
        url: of the file; redirects are followed, and the proxies of the environment are used.
        timeout: seconds of silence after which the host counts as gone.
        after: bytes that are here already; 0 asks for the whole file.
        version: what `version_of` said of the answer that they came with.

    Raises:
        TransferError: the host cannot be reached, or does not have the file.
    """
    if not after:
        return _open(url, timeout), False
    response = _open(url, timeout, {"Range": f"bytes={after}-", "If-Range": version})
    if response.status != HTTPStatus.PARTIAL_CONTENT:
        return response, False
    begins = response.headers.get("Content-Range", "").startswith(f"bytes {after}-")
    if begins and version_of(response) == version:
        return response, True
    response.close()  # the host has passed over If-Range
    return _open(url, timeout), False


def version_of(response: http.client.HTTPResponse) -> str:
    """What If-Range takes (RFC 9110, 13.1.5): a strong ETag, else the date of change, else ""."""
    etag: str = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def read(response: http.client.HTTPResponse) -> bytes:
    """What has arrived; empty at the end.

    Raises:
        TransferError: the connection broke, or is silent.
    """
    try:
        return response.read1(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise TransferError(f"the connection broke ({error or type(error).__name__})") from error


def _open(
    url: str, timeout: float, headers: dict[str, str] | None = None
) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers={"User-Agent": "convatlas", **(headers or {})})
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if headers and error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _open(url, timeout)  # the file has become shorter than what is here of it
        raise TransferError(f"the host answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise TransferError(f"the host cannot be reached ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        said = error or type(error).__name__
        raise TransferError(f"the host does not answer ({said})") from error
    return response
