// A model over Upstream that answers typed text with "You said: ..." and gives a handle after each turn. heard: every
// message of every connection but setups, in order.
export class EchoModel {
  heard = [];
  setups = [];
  most = 0; // connections open at the same time, of one user

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
        this.setups.push(setup);
        connection.say({ setupComplete: {} });
        continue;
      }
      this.heard.push(message);
      const { turns, turnComplete } = message.clientContent ?? {};
      const text = message.realtimeInput?.text ?? (turnComplete && turns.at(-1).parts[0].text);
      if (text) this.#answer(connection, setup, text);
    }
  }

  #answer(connection, setup, text) {
    const spoken = setup.generationConfig.responseModalities[0] === 'AUDIO';
    const words = `You said: ${text}`;
    connection.say({ serverContent: spoken ? { outputTranscription: { text: words } }
      : { modelTurn: { role: 'model', parts: [{ text: words }] } } });
    connection.say({ serverContent: { generationComplete: true } });
    connection.say({ serverContent: { turnComplete: true } });
    connection.say({ sessionResumptionUpdate: { newHandle: `handle-${connection.number}`, resumable: true } });
  }

  get sounds() {
    return this.heard.filter((message) => message.realtimeInput && message.realtimeInput.text === undefined);
  }
}
