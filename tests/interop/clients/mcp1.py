"""PyPI `mcp` 1.x."""

import asyncio
from contextlib import asynccontextmanager

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client

import scenario


class Client:
    def __init__(self, session):
        self.session = session

    async def tools(self):
        return [tool.name for tool in (await self.session.list_tools()).tools]

    async def call(self, name, arguments, on_progress=None):
        async def progress(step, total, message):
            on_progress(step)

        result = await self.session.call_tool(name, arguments, progress_callback=progress if on_progress else None)
        return (scenario.text_of(result) if result.isError else result.structuredContent), result.isError

    async def resources(self):
        return [str(resource.uri) for resource in (await self.session.list_resources()).resources]

    async def read(self, uri):
        return (await self.session.read_resource(uri)).contents[0].text


@asynccontextmanager
async def connect(target):
    if target[0].startswith("http"):
        transport = streamablehttp_client(target[0])
    else:
        transport = stdio_client(StdioServerParameters(command=target[0], args=target[1:], env=scenario.environment()))
    async with transport as streams, ClientSession(streams[0], streams[1]) as session:
        await session.initialize()
        yield Client(session)


asyncio.run(scenario.run(connect))
