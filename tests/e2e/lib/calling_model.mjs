// A model over Upstream that calls tools on command: the typed text `call NAME {"json":"arguments"}` makes a tool call,
// whose result is said as JSON; `take back ID` takes a call back; any other text is said back as "Heard: ...". heard: every
// text, in order.
export class CallingModel {
  heard = [];
  results = [];
  #calls = 0;

  constructor() {
    this.onConnection = (connection) => this.#serve(connection);
  }

  async #serve(connection) {
    let setup;
    for (;;) {
      const event = await connection.inbox.next(600000);
      if (!event || event.type === 'close') return;
      if (event.type !== 'text') continue;
      const message = JSON.parse(event.data);
      if (message.setup) {
        ({ setup } = message);
        connection.say({ setupComplete: {} });
        continue;
      }
      if (message.toolResponse) {
        const responses = message.toolResponse.functionResponses.map((one) => one.response);
        this.results.push(...responses);
        this.#say(connection, setup, JSON.stringify(responses.length === 1 ? responses[0] : responses));
        continue;
      }
      const { turns, turnComplete } = message.clientContent ?? {};
      // History that ends with the model's words seeds the connection and asks for nothing.
      const asked = turnComplete && turns.at(-1)?.role === 'user';
      const text = message.realtimeInput?.text ?? (asked && turns.at(-1).parts[0].text);
      if (text) this.#hear(connection, setup, text);
    }
  }

  #hear(connection, setup, text) {
    this.heard.push(text);
    const [, taken] = /^take back (\S+)$/.exec(text) ?? [];
    if (taken) connection.say({ toolCallCancellation: { ids: [taken] } });
    const [, name, args] = /^call (\w+) ?(.*)$/s.exec(text) ?? [];
    if (!name) {
      this.#say(connection, setup, `Heard: ${text}`);
      return;
    }
    this.#calls += 1;
    connection.say({ toolCall: { functionCalls: [{ id: `fc-${this.#calls}`, name, args: JSON.parse(args || '{}') }] } });
  }

  #say(connection, setup, text) {
    const spoken = setup.generationConfig.responseModalities[0] === 'AUDIO';
    connection.say({ serverContent: spoken ? { outputTranscription: { text } }
      : { modelTurn: { role: 'model', parts: [{ text }] } } });
    connection.say({ serverContent: { generationComplete: true } });
    connection.say({ serverContent: { turnComplete: true } });
  }
}
