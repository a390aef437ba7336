"""Converts a tool list, as agent frameworks do before they show it to a model. Reads the list (JSON) from its input.

Prints one JSON line for each framework and tool: the parameters that the model API would get, and whether they are strict.
Leaves with 3 where a framework is not installed.
"""
import copy
import json
import sys
from typing import Any

try:
    from agents.mcp import MCPServerStdio
    from agents.mcp.util import MCPUtil
    from google.genai import _mcp_utils, types
    from langchain_core.utils.function_calling import convert_to_openai_tool
    from langchain_mcp_adapters.tools import convert_mcp_tool_to_langchain_tool
    from mcp.types import Tool
    from pydantic_ai.profiles.google import GoogleJsonSchemaTransformer
    from pydantic_ai.profiles.openai import OpenAIJsonSchemaTransformer
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(3)


def gemini(tool: Tool) -> Any:
    """google-genai, where a session of MCP is given as a tool."""
    (declared,) = _mcp_utils.mcp_to_gemini_tools([tool])[0].function_declarations
    return declared.parameters.model_dump(mode="json", exclude_none=True), False


def gemini_declared(tool: Tool) -> Any:
    """google-genai, where the schema is put into a declaration as it is."""
    declared = types.FunctionDeclaration(name=tool.name, description=tool.description, parameters=copy.deepcopy(tool.inputSchema))
    return declared.parameters.model_dump(mode="json", exclude_none=True), False


def langchain(tool: Tool) -> Any:
    """LangChain over its adapter, bound with strict=True."""
    nowhere = {"transport": "stdio", "command": "true", "args": []}
    function = convert_to_openai_tool(convert_mcp_tool_to_langchain_tool(None, tool, connection=nowhere), strict=True)["function"]
    return function["parameters"], function["strict"]


def openai_agents(tool: Tool) -> Any:
    """openai-agents with convert_schemas_to_strict."""
    server = MCPServerStdio(params={"command": "true", "args": []})
    function = MCPUtil.to_function_tool(tool, server, convert_schemas_to_strict=True)
    return function.params_json_schema, function.strict_json_schema


def pydantic_ai_openai(tool: Tool) -> Any:
    """pydantic-ai before an OpenAI model, strict."""
    return OpenAIJsonSchemaTransformer(copy.deepcopy(tool.inputSchema), strict=True).walk(), True


def pydantic_ai_google(tool: Tool) -> Any:
    """pydantic-ai before a Gemini model."""
    return GoogleJsonSchemaTransformer(copy.deepcopy(tool.inputSchema), strict=True).walk(), False


for listed in json.load(sys.stdin):
    tool = Tool.model_validate(listed)
    for by in (gemini, gemini_declared, langchain, openai_agents, pydantic_ai_openai, pydantic_ai_google):
        try:
            parameters, strict = by(tool)
            print(json.dumps({"by": by.__name__, "tool": tool.name, "parameters": parameters, "strict": strict}))
        except Exception as error:  # Whatever it is, the tool is lost for this framework.
            print(json.dumps({"by": by.__name__, "tool": tool.name, "error": f"{type(error).__name__}: {error}"}))
