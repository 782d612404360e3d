"""Writing multipart/form-data: fields, then one file that is read when it is sent.

The boundary comes from the request's id, which no caller knows before the form is sent, so that no file can
hold it.
"""

from collections.abc import Iterable

from gateway.types import MultipartBody, Upload

_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})  # as browsers and SDKs write names
_DEFAULT_TYPE = "application/octet-stream"


def multipart_body(fields: Iterable[tuple[str, str]], upload: Upload, request_id: str) -> MultipartBody:
    """Return the body for these fields and the file, which is named `file`."""
    boundary = f"axiom-{request_id}"
    parts = [f"{_part(boundary, name)}\r\n\r\n{value}\r\n" for name, value in fields]
    filename = (upload.filename or "file").translate(_ESCAPES)
    parts.append(f'{_part(boundary, "file")}; filename="{filename}"\r\n')
    parts.append(f"content-type: {_type(upload)}\r\n\r\n")
    return MultipartBody(
        content_type=f"multipart/form-data; boundary={boundary}",
        head="".join(parts).encode(),
        upload=upload,
        tail=f"\r\n--{boundary}--\r\n".encode(),
    )


def _part(boundary: str, name: str) -> str:
    return f'--{boundary}\r\ncontent-disposition: form-data; name="{name.translate(_ESCAPES)}"'


def _type(upload: Upload) -> str:
    found = upload.content_type
    return found if found and found.isascii() and found.isprintable() else _DEFAULT_TYPE
