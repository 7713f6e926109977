// A conversation in which the user names a tool and live-sim calls it.
import { makePlace, startServer } from './server.mjs';
import { Browser } from './browser.mjs';
import { simulate } from './faults.mjs';

export const agentWith = (...tools) => `agent_class: LlmAgent
name: helper
model: gemini-3.8-live
instruction: Use the tools.
tools:
${tools.map((tool) => `  - name: ${tool}`).join('\n')}
`;

// {scenario: of live-sim, settings: text of antiphon.yaml, tools: names, files, env, agent, base: the variable that names live-sim}. call(name, args) resolves with the response that the model got.
export async function startTools(t, { settings, tools, files, env = {}, agent, scenario = '', simArgs = [], base = 'GOOGLE_GEMINI_BASE_URL' }) {
  const sim = await simulate(scenario, ...simArgs);
  t.after(() => sim.stop());
  const place = makePlace({ agents: { helper: agent ?? agentWith(...tools) }, settings, files });
  t.after(() => place.remove());
  const server = await startServer(t, {
    place, env: { GOOGLE_API_KEY: 'k', [base]: sim.url, ...env },
  });
  const browser = await Browser.open(server, '/ws/1?is_audio=false');
  const responses = async () => (await sim.sent()).flatMap((message) => message.toolResponse?.functionResponses ?? []);
  let answered = 0;
  return {
    sim, server, browser, place, responses,
    setup: async () => (await sim.sent()).find((message) => message.setup).setup,
    async call(name, args = {}, ms = 30000) {
      const said = await browser.ask(`tool ${name} ${JSON.stringify(args)}`, ms);
      const all = await responses();
      if (all.length !== answered + 1) throw new Error(`no response of ${name}: ${said}`);
      return all[answered++].response;
    },
    async end() {
      browser.close();
      await browser.closed();
      return server.stop();
    },
  };
}
