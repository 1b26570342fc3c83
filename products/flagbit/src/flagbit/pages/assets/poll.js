// Asks for one address again and again, with the tag of what it has. It sleeps while nobody looks.

export class Poll {
  constructor(api, { every = 5000, onbody, oncost }) {
    Object.assign(this, { api, every, onbody, oncost });
    this.cost = { polls: 0, unchanged: 0, saved: 0, status: null, bytes: 0 };
    this.round = 0;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.pause();
      else this.now();
    });
  }

  // Another address is another resource: its tag is not known yet.
  watch(path) {
    if (path !== this.path) Object.assign(this, { path, etag: null, size: 0 });
    return this.now();
  }

  pause() {
    clearTimeout(this.timer);
    this.round += 1; // an answer that is still under way will not start the next round
    this.timer = null;
    this.oncost({ ...this.cost, paused: true });
  }

  async now() {
    clearTimeout(this.timer);
    if (document.hidden || !this.path) return;
    const round = ++this.round;
    const path = this.path;
    const answer = await this.api.get(path, this.etag);
    if (path !== this.path) return;
    // A slow answer must not put an older list over a newer one.
    if (round === this.round) this.take(answer);
    if (round === this.round) this.timer = setTimeout(() => this.now(), this.every);
  }

  take(answer) {
    this.cost.polls += 1;
    this.cost.status = answer.status;
    this.cost.bytes = answer.bytes;
    if (answer.status === 304) {
      this.cost.unchanged += 1;
      this.cost.saved += this.size;
    } else if (answer.ok) {
      this.etag = answer.etag;
      this.size = answer.bytes;
      this.onbody(answer.body);
    }
    this.oncost({ ...this.cost, problem: answer.problem });
  }
}
