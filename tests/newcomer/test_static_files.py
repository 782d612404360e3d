"""The admin has its style sheets without DEBUG and without a step before the start."""

from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import AsyncClient

STYLES = "unfold/css/styles.css"


@pytest.fixture
def styles() -> bytes:
    """What the package holds."""
    path = finders.find(STYLES)
    assert isinstance(path, str)
    return Path(path).read_bytes()


async def test_serves_a_packages_files(async_client: AsyncClient, styles: bytes) -> None:
    response = await async_client.get(f"/static/{STYLES}")
    assert response.status_code == 200
    assert response["content-type"] == 'text/css; charset="utf-8"'
    assert response.content == styles


async def test_serves_the_projects_own_files(async_client: AsyncClient) -> None:
    response = await async_client.get("/static/admin/axiom.css")
    assert response.status_code == 200
    assert response["content-type"] == 'text/css; charset="utf-8"'


async def test_answers_a_browser_that_has_the_file_already(async_client: AsyncClient) -> None:
    first = await async_client.get(f"/static/{STYLES}")
    again = await async_client.get(f"/static/{STYLES}", headers={"if-modified-since": first["last-modified"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_serves_a_part(async_client: AsyncClient, styles: bytes) -> None:
    response = await async_client.get(f"/static/{STYLES}", headers={"range": "bytes=0-9"})
    assert (response.status_code, response.content) == (206, styles[:10])


async def test_head_has_no_body(async_client: AsyncClient, styles: bytes) -> None:
    response = await async_client.head(f"/static/{STYLES}")
    assert (response.status_code, response.content) == (200, b"")
    assert response["content-length"] == str(len(styles))


@pytest.mark.parametrize("path", ["/static/none.css", "/static/../manage.py", "/static/%2e%2e/manage.py"])
async def test_serves_nothing_else(async_client: AsyncClient, path: str) -> None:
    assert (await async_client.get(path)).status_code == 404
