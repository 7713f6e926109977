// An MCP server made with the protocol's own SDK, that does what the reference server does not: it changes its tools, asks the
// client things it cannot do, and notes what it is told. Run as
//   node mcp_fixture.mjs stdio JOURNAL
//   node mcp_fixture.mjs http JOURNAL PORT     says "listening"; POST /close ends the streams of events, POST /forget the sessions
// JOURNAL gets one JSON line for each thing that happened; its tools outlive a restart in JOURNAL.tools.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { CallToolRequestSchema, ListToolsRequestSchema, ResultSchema } from '@modelcontextprotocol/sdk/types.js';

const [, , how, journal, port] = process.argv;
const note = (what) => appendFileSync(journal, `${JSON.stringify(what)}\n`);
const shelf = `${journal}.tools`;
const later = () => (existsSync(shelf) ? JSON.parse(readFileSync(shelf, 'utf8')) : []);
const keep = (names) => writeFileSync(shelf, JSON.stringify(names));
const text = (said) => ({ content: [{ type: 'text', text: said }] });

function make() {
  const server = new Server({ name: 'fixture', version: '1' }, { capabilities: { tools: { listChanged: true }, logging: {} } });
  const any = { type: 'object', properties: { name: { type: 'string' } } };
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: ['slow', 'ask', 'learn', 'unlearn', 'step', 'cut', ...later()].map((name) => ({ name, description: `Does ${name}.`, inputSchema: any })),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const { name, arguments: args } = params;
    note({ call: name });
    if (name === 'slow') {
      await new Promise((resolve) => { extra.signal.addEventListener('abort', resolve); });
      note({ cancelled: name });
      return text('never seen');
    }
    if (name === 'ask') {
      const answers = {};
      for (const method of ['ping', 'sampling/createMessage', 'elicitation/create', 'roots/list'])
        answers[method] = await extra.sendRequest({ method, params: {} }, ResultSchema, { timeout: 10000 })
          .then(() => 'answered', (error) => error.code ?? String(error));
      return text(JSON.stringify(answers));
    }
    if (name === 'cut') { // the stream that would bring the answer ends first
      extra.closeSSEStream?.();
      await new Promise((resolve) => { setTimeout(resolve, 100); });
      return text('after the cut');
    }
    if (name === 'step') {
      for (const at of [1, 2])
        await extra.sendNotification({ method: 'notifications/progress',
          params: { progressToken: extra._meta?.progressToken, progress: at, total: 2, message: `step ${at}` } });
      return text('done');
    }
    if (name === 'learn' || name === 'unlearn') {
      keep(name === 'learn' ? [...later(), args.name] : later().filter((one) => one !== args.name));
      await server.sendToolListChanged();
      return text('ok');
    }
    return later().includes(name) ? text(`this is ${name}`) : { isError: true, ...text('no such tool') };
  });
  return server;
}

if (how === 'stdio') {
  await make().connect(new StdioServerTransport());
  note({ started: process.pid });
} else {
  const transports = new Map();
  const streams = new Set();
  const stored = [];
  const eventStore = {
    async storeEvent(stream, message) { return String(stored.push({ stream, message })); },
    async replayEventsAfter(last, { send }) {
      const { stream } = stored[Number(last) - 1];
      for (let i = Number(last); i < stored.length; i++) if (stored[i].stream === stream) await send(String(i + 1), stored[i].message);
      return stream;
    },
  };
  http.createServer(async (request, response) => {
    note({ [request.method]: request.url, last: request.headers['last-event-id'], authorization: request.headers.authorization,
      extra: request.headers['x-extra'] });
    if (request.url === '/close') {
      for (const stream of streams) stream.end();
      return response.end();
    }
    if (request.url === '/forget') {
      transports.clear();
      return response.end();
    }
    let transport = transports.get(request.headers['mcp-session-id']);
    if (!transport && request.headers['mcp-session-id']) return response.writeHead(404).end();
    if (!transport) {
      transport = new StreamableHTTPServerTransport({ sessionIdGenerator: () => randomUUID(), eventStore,
        onsessioninitialized: (id) => transports.set(id, transport) });
      await make().connect(transport);
    }
    if (request.method === 'GET') {
      streams.add(response);
      response.on('close', () => { streams.delete(response); note({ stream: 'closed' }); });
    }
    return transport.handleRequest(request, response);
  }).listen(Number(port), '127.0.0.1', () => {
    note({ started: process.pid });
    console.log('listening');
  });
}
