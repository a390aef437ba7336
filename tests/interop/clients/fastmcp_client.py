"""PyPI `fastmcp`."""

import asyncio
from contextlib import asynccontextmanager

import fastmcp
from fastmcp.client.transports import StdioTransport

import scenario


class Client:
    def __init__(self, client):
        self.client = client

    async def tools(self):
        return [tool.name for tool in await self.client.list_tools()]

    async def call(self, name, arguments, on_progress=None):
        async def progress(step, total, message):
            on_progress(step)

        handler = progress if on_progress else None
        result = await self.client.call_tool(name, arguments, progress_handler=handler, raise_on_error=False)
        return (scenario.text_of(result) if result.is_error else result.structured_content), result.is_error

    async def resources(self):
        return [str(resource.uri) for resource in await self.client.list_resources()]

    async def read(self, uri):
        return (await self.client.read_resource(uri))[0].text


@asynccontextmanager
async def connect(target):
    if target[0].startswith("http"):
        transport = target[0]
    else:
        transport = StdioTransport(command=target[0], args=target[1:], env=scenario.environment(), keep_alive=False)
    async with fastmcp.Client(transport) as client:
        yield Client(client)


asyncio.run(scenario.run(connect))
