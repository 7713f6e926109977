import { PlayerCore } from './player_core.js';

class Player extends AudioWorkletProcessor {
  constructor(options) {
    super();
    const { inRate } = options.processorOptions;
    this.core = new PlayerCore(inRate, sampleRate, (message) => this.port.postMessage(message));
    this.port.onmessage = ({ data }) => {
      if (data.pcm) this.core.push(data.turn, new Int16Array(data.pcm));
      else if (data.flush) this.core.flush();
      else if (data.end) this.core.end();
    };
  }

  process(inputs, outputs) {
    const channels = outputs[0];
    this.core.render(channels[0]);
    for (let i = 1; i < channels.length; i++) channels[i].set(channels[0]);
    return true;
  }
}

registerProcessor('player', Player);
