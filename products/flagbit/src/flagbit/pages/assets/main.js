// The page: keeps the list fresh, opens editors beside it, and says what happened.

import * as cost from "./shared/cost.js";
import { Poll } from "./shared/poll.js";
import { newClient, signInAddress, told } from "./shared/requests.js";
import { say } from "./shared/toast.js";
import { addresses } from "./addresses.js";
import { Create } from "./create.js";
import { List } from "./list.js";
import { Panel } from "./panel.js";

const root = document.getElementById("flagbit");
const at = (id) => document.getElementById(id);

class App {
  constructor() {
    const { api, here, signIn, canEdit, owner, environment, shown } = root.dataset;
    this.client = newClient();
    this.at = addresses(api);
    Object.assign(this, { here, signIn, canEdit: canEdit === "yes", owner, environment, limit: Number(shown) });
    this.drafts = new Map();
    this.items = [];
    this.list = new List(this, at("flags"));
    this.poll = new Poll(this.client, { onvalue: (value) => this.took(value), oncost: (cost) => { this.costs(cost); this.look(cost); } });
  }

  start() {
    document.documentElement.classList.add("live");
    at("poll").hidden = false;
    at("filter").hidden = true;
    at("new-flag").hidden = !this.canEdit;
    at("new-flag").addEventListener("click", () => this.create());
    at("filters").addEventListener("submit", (event) => { event.preventDefault(); this.filter(); });
    at("environment").addEventListener("change", () => this.filter());
    at("archived").addEventListener("change", () => this.filter());
    at("search").addEventListener("input", () => { clearTimeout(this.typing); this.typing = setTimeout(() => this.filter(), 200); });
    window.addEventListener("popstate", () => this.follow());
    window.addEventListener("beforeunload", (event) => { if (this.dirtyKeys().size || this.creating?.dirty) event.preventDefault(); });
    this.watch();
    const { flag } = this.asked();
    if (flag) this.showFlag(flag);
  }

  // -- the address says what is shown -------------------------------------------------------------

  asked() {
    const query = new URLSearchParams(location.search);
    return { environment: query.get("environment"), q: query.get("q") ?? "", archived: query.get("archived") === "true", flag: query.get("flag") };
  }

  address(change = {}) {
    const now = { environment: this.environment, q: at("search").value.trim(), archived: at("archived").checked ? "true" : "", flag: this.opened ?? "", ...change };
    const query = new URLSearchParams(Object.entries(now).filter(([, value]) => value));
    return `${this.here}?${query}`;
  }

  follow() {
    const asked = this.asked();
    if (asked.environment && [...at("environment").options].some((one) => one.value === asked.environment)) at("environment").value = asked.environment;
    at("search").value = asked.q;
    at("archived").checked = asked.archived;
    this.environment = at("environment").value;
    this.watch();
    if (asked.flag) this.showFlag(asked.flag);
    else this.clear();
  }

  filter() {
    const other = at("environment").value !== this.environment;
    this.environment = at("environment").value;
    history.replaceState(null, "", this.address());
    this.watch();
    if (other && this.opened) this.showFlag(this.opened, { focus: false });
  }

  // -- the list ------------------------------------------------------------------------------------

  watch() {
    const text = at("search").value.trim();
    const query = { environment: this.environment, limit: this.limit };
    if (text) query.q = text;
    if (at("archived").checked) query.archived = "true";
    this.looking = { text, archived: at("archived").checked };
    return this.poll.watch(this.at.flags(query));
  }

  took(body) {
    this.items = body.items;
    this.list.show(body.items, this.looking);
    at("more").hidden = body.next === null;
    this.ondirty();
    const item = body.items.find((one) => one.key === this.opened);
    if (item) this.panel?.seen(item);
  }

  // An open flag that the list does not show is asked for by itself.
  look({ paused, failure }) {
    if (!paused && !failure && !this.items.some((one) => one.key === this.opened)) this.panel?.look();
  }

  costs(round) {
    const failed = "The list could not be refreshed. It is tried again.";
    cost.show(at("poll"), round, { signIn: signInAddress(this.signIn), failed });
  }

  // The switch shows one state; it is changed only if it still is that state.
  async toggle(item, control) {
    if (this.toggling) return;
    this.toggling = true;
    try {
      this.say(await this.switched(item));
    } finally {
      this.toggling = false;
    }
    control.focus();
    await this.poll.now();
  }

  // Does it, and says what came of it.
  async switched({ key, state }) {
    const url = this.at.state(key, state.environment);
    const wanted = !state.enabled;
    const late = (by) => `${by ?? "Somebody"} changed ${key} just now, so it was not switched. Look, then switch it if you still want to.`;
    try {
      const { value, etag } = await this.client.get(url);
      if (value.revision !== state.revision) return late();
      const made = await this.client.send(url, "PATCH", { value: { enabled: wanted }, etag, type: "application/merge-patch+json" });
      this.panel?.toggled(url, made);
    } catch (error) {
      const { status, title, detail, problem } = told(error, { writing: true });
      if (status === 412) return late(problem.last_change?.by);
      return status === 401 ? "You are signed out. Sign in again." : (detail || title);
    }
    return `${key} is ${wanted ? "on" : "off"} in ${state.environment}.`;
  }

  // -- editors -------------------------------------------------------------------------------------

  open(key) {
    if (this.opened !== key) history.pushState(null, "", this.address({ flag: key }));
    this.showFlag(key);
  }

  showFlag(key, { focus = true } = {}) {
    if (this.opened === key && this.panel?.environment === this.environment) return this.panel.title.focus();
    const tab = this.opened === key ? this.panel?.selected : null;
    this.opened = key;
    this.panel = new Panel(this, key, this.environment, this.drafts);
    this.put(this.panel);
    this.panel.open();
    if (tab) this.panel.select(tab);
    if (focus) this.panel.title.focus();
  }

  create() {
    if (!this.creating?.dirty) this.creating = new Create(this);
    this.opened = null;
    this.panel = null;
    history.pushState(null, "", this.address());
    this.put(this.creating);
    this.creating.key.control.focus();
  }

  created(key) {
    this.creating = null;
    this.say(`Created ${key}.`);
    this.poll.now();
    this.open(key);
  }

  put(editor) {
    at("editor").replaceChildren(editor.node);
    document.body.classList.add("has-editor");
    this.ondirty();
    scrollTo({ top: 0 });
  }

  clear() {
    this.opened = null;
    this.panel = null;
    at("editor").replaceChildren();
    document.body.classList.remove("has-editor");
    this.ondirty();
  }

  close({ gone = false } = {}) {
    const key = this.opened;
    this.clear();
    history.pushState(null, "", this.address());
    (this.list.rows.get(key)?.link ?? at("search")).focus();
    if (gone) this.poll.now();
  }

  onsaved(draft) {
    this.panel?.saved(draft);
    this.poll.now();
  }

  dirtyKeys() {
    return new Set([...this.drafts.values()].filter((draft) => draft.dirty).map((draft) => draft.key));
  }

  ondirty() {
    this.list.mark(this.opened, this.dirtyKeys());
  }

  say(text) {
    say(text);
  }
}

new App().start();
