"""PyPI `mcp` 2.x."""

import asyncio
from contextlib import asynccontextmanager

import mcp

import scenario


class Client:
    def __init__(self, client):
        self.client = client

    async def tools(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, name, arguments, on_progress=None):
        async def progress(step, total, message):
            on_progress(step)

        result = await self.client.call_tool(name, arguments, progress_callback=progress if on_progress else None)
        return (scenario.text_of(result) if result.is_error else result.structured_content), result.is_error

    async def resources(self):
        return [str(resource.uri) for resource in (await self.client.list_resources()).resources]

    async def read(self, uri):
        return (await self.client.read_resource(uri)).contents[0].text


@asynccontextmanager
async def connect(target):
    if target[0].startswith("http"):
        server = target[0]
    else:
        server = mcp.StdioServerParameters(command=target[0], args=target[1:], env=scenario.environment())
    async with mcp.Client(server) as client:
        yield Client(client)


asyncio.run(scenario.run(connect))
