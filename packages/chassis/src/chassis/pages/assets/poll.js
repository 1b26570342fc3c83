// Asks for one address again and again, with the tag of what it has, and counts what that cost. It
// sleeps while nobody looks.

import { told } from "./requests.js";

export class Poll {
  // `onvalue(value)` is told what changed, `oncost(cost)` what each round cost: { polls, unchanged,
  // saved, status, bytes }, with `paused`, or with `failure` as `told` has it.
  constructor(client, { every = 5000, onvalue, oncost }) {
    Object.assign(this, { client, every, onvalue, oncost });
    this.cost = { polls: 0, unchanged: 0, saved: 0, status: null, bytes: 0 };
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.pause();
      else this.now();
    });
  }

  // Null is nothing: it asks no more until there is an address again.
  watch(url) {
    this.url = url;
    return this.now();
  }

  pause() {
    this.stop?.abort();
    this.oncost({ ...this.cost, paused: true });
  }

  // Asks at once, and from then on as ever. Resolves when there was an answer, or none will come.
  now() {
    this.stop?.abort(); // a slow answer must not put an older value over a newer one
    if (document.hidden || !this.url) return Promise.resolve();
    this.stop = new AbortController();
    return new Promise((done) => this.run(this.url, this.stop.signal, done));
  }

  async run(url, signal, done) {
    const answered = (read) => { this.count(read); done(); };
    const failed = (error) => { this.oncost({ ...this.cost, failure: told(error) }); done(); };
    const rounds = { every: this.every, signal, answered, failed };
    while (!signal.aborted) {
      try {
        for await (const { value } of this.client.poll(url, rounds)) {
          if (!signal.aborted) this.show(value);
        }
      } catch (error) {
        failed(error); // signed out, say: it may be otherwise when somebody signed in elsewhere
        await this.client.sleep(this.every, signal).catch(() => {});
      }
    }
    done();
  }

  // A mistake in what is shown is no failure of the round.
  show(value) {
    try {
      this.onvalue(value);
    } catch (error) {
      reportError(error);
    }
  }

  count({ status, bytes }) {
    const { cost } = this;
    const unchanged = status === 304;
    cost.polls += 1;
    cost.status = status;
    cost.bytes = unchanged ? 0 : bytes;
    if (unchanged) {
      cost.unchanged += 1;
      cost.saved += bytes;
    }
    this.oncost({ ...cost });
  }
}
