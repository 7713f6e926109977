"""A server with the protocol's own SDK for Python that changes its tools, in the revision of 2026-07-28.

board.py stdio | board.py http PORT
"""
import sys

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

board = MCPServer("board")


@board.tool()
async def learn(name: str, ctx: Context) -> str:
    """Learns a tool."""

    def learned() -> str:
        return f"this is {name}"

    board.add_tool(learned, name=name, description=f"Does {name}.")
    await ctx.notify_tools_changed()
    return "ok"


@board.tool()
async def walk(ctx: Context) -> str:
    """Walks two steps."""
    for step in (1, 2):
        await ctx.report_progress(step, 2, f"step {step}")
    return "done"


if sys.argv[1] == "stdio":
    board.run()
else:
    board.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
