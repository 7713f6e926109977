import { CaptureCore } from './capture_core.js';

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.core = new CaptureCore(sampleRate);
    this.emit = (batch, level) => this.port.postMessage({ pcm: batch.buffer, level }, [batch.buffer]);
    this.running = true;
    this.port.onmessage = () => {
      // "stop": what is left is sent, then nothing more
      this.running = false;
      this.core.flush(this.emit);
      this.port.postMessage({ stopped: true });
    };
  }

  process(inputs) {
    const channel = inputs[0] && inputs[0][0];
    if (this.running && channel) this.core.push(channel, this.emit);
    return this.running;
  }
}

registerProcessor('capture', Capture);
