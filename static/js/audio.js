// Microphone and loudspeaker on one audio context at the device's own rate: some browsers refuse to join a
// microphone to a context of another rate, so the worklets change the rate themselves.

const OUT_RATE = 24000;
const MAX_PENDING = 500; // chunks that wait for the worklet to load

class Engine {
  constructor() {
    this.context = null;
    this.loading = null;
  }

  // Must be called from a gesture of the user the first time.
  start() {
    this.loading ??= this.load();
    if (this.context && this.context.state === 'suspended') this.context.resume().catch(() => {});
    return this.loading;
  }

  async load() {
    this.context = new AudioContext({ latencyHint: 'interactive' });
    this.context.resume().catch(() => {});
    await Promise.all([
      this.context.audioWorklet.addModule('/static/js/player_worklet.js'),
      this.context.audioWorklet.addModule('/static/js/capture_worklet.js'),
    ]);
  }
}

const engine = new Engine();

// Events: "played" {turn, ms}, "busy" {busy}.
export class Speaker extends EventTarget {
  constructor() {
    super();
    this.node = null;
    this.pending = [];
    this.busy = false;
    this.muted = false;
    this.silenced = -1; // a turn that the user stopped
    this.newest = -1;
  }

  // From a gesture; harmless to repeat.
  async unlock() {
    if (!('AudioWorkletNode' in window)) return; // only on https and localhost
    await engine.start();
    if (this.node) return;
    this.node = new AudioWorkletNode(engine.context, 'player', {
      numberOfInputs: 0,
      outputChannelCount: [2],
      processorOptions: { inRate: OUT_RATE },
    });
    this.node.port.onmessage = ({ data }) => this.onMessage(data);
    this.node.connect(engine.context.destination);
    for (const { turn, pcm } of this.pending.splice(0)) this.post(turn, pcm);
  }

  onMessage(data) {
    if (data.type === 'played') this.dispatchEvent(new CustomEvent('played', { detail: data }));
    if (data.type === 'idle') this.setBusy(false);
  }

  setBusy(busy) {
    if (this.busy === busy) return;
    this.busy = busy;
    this.dispatchEvent(new CustomEvent('busy', { detail: { busy } }));
  }

  play(turn, pcm) {
    if (this.muted || turn === this.silenced || turn < this.newest || pcm.byteLength < 2) return;
    this.newest = turn;
    if (this.node) this.post(turn, pcm);
    else if (engine.loading && this.pending.length < MAX_PENDING) this.pending.push({ turn, pcm });
  }

  post(turn, pcm) {
    this.node.port.postMessage({ turn, pcm }, [pcm]);
    this.setBusy(true);
  }

  end() {
    if (this.node) this.node.port.postMessage({ end: true });
  }

  flush() {
    this.pending = [];
    if (this.node) this.node.port.postMessage({ flush: true });
  }

  // Nothing more of this turn, although it may still be on its way.
  silence(turn) {
    this.silenced = turn;
    this.flush();
  }

  // A new connection counts turns anew.
  restart() {
    this.flush();
    this.newest = -1;
    this.silenced = -1;
  }

  mute(muted) {
    this.muted = muted;
    if (muted) this.flush();
  }
}

// Events: "batch" {pcm}, "level" {level}, "ended" (the device went away).
export class Microphone extends EventTarget {
  constructor() {
    super();
    this.on = false;
    this.stream = null;
    this.source = null;
    this.node = null;
  }

  async start() {
    if (this.on) return;
    if (!navigator.mediaDevices || !('AudioWorkletNode' in window)) {
      throw Object.assign(new Error('no microphone API'), { name: 'InsecureContextError' });
    }
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
    try {
      await engine.start();
    } catch (error) {
      for (const track of stream.getTracks()) track.stop();
      throw error;
    }
    this.stream = stream;
    this.source = engine.context.createMediaStreamSource(stream);
    this.node = new AudioWorkletNode(engine.context, 'capture', {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: 'explicit',
    });
    this.node.port.onmessage = ({ data }) => this.onMessage(data);
    this.source.connect(this.node);
    stream.getAudioTracks()[0].onended = () => this.stop().then(() => this.dispatchEvent(new Event('ended')));
    this.on = true;
  }

  onMessage(data) {
    if (data.stopped && this.onStopped) this.onStopped();
    if (!data.pcm) return;
    this.dispatchEvent(new CustomEvent('batch', { detail: data.pcm }));
    this.dispatchEvent(new CustomEvent('level', { detail: data.level }));
  }

  // Resolves when the last batch has been handed over.
  async stop() {
    if (!this.on) return;
    this.on = false;
    const stopped = new Promise((resolve) => {
      this.onStopped = resolve;
    });
    this.node.port.postMessage('stop');
    await stopped;
    for (const track of this.stream.getTracks()) track.stop();
    this.source.disconnect();
    this.stream = this.source = this.node = this.onStopped = null;
  }
}
