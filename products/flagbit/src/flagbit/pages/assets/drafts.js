// What is edited here: a flag, and what it does in one environment.

import { Editor } from "./shared/editor.js";
import { WHOLE, content, label, lines } from "./fields.js";
import { flagForm } from "./flagform.js";
import { stateForm } from "./stateform.js";

export function flagDraft(app, key) {
  const subject = {
    url: app.at.flag(key),
    title: key,
    save: "Save flag",
    form: flagForm,
    recreate: (mine) => app.client.send(app.at.flags(), "POST", { value: { key, ...mine } }),
  };
  return draft(app, "flag", key, subject);
}

// `variants()` gives the names of the flag's variants.
export function stateDraft(app, key, environment, variants) {
  const subject = {
    url: app.at.state(key, environment),
    title: `${key} in ${environment}`,
    save: `Save for ${environment}`,
    form: (value) => stateForm(value, variants()),
    recreate: null,
    elsewhere: "To create it again, go to the tab Flag.",
  };
  return draft(app, "state", key, subject, environment);
}

function draft(app, kind, key, subject, environment = null) {
  const editor = new Editor(app, {
    ...subject,
    kind: "this flag",
    content,
    whole: WHOLE[kind],
    label: (place) => label(kind, place),
    lines,
    about: ({ revision }) => `Revision ${revision}`,
    changes: () => changesOf(app, kind, key, environment),
  });
  return Object.assign(editor, { key });
}

// Who changed it, from the audit trail, the newest first.
async function changesOf(app, kind, key, environment) {
  const { value } = await app.client.get(app.at.audit({ flag: key, limit: "50" }));
  return value.items
    .filter((entry) => entry.kind === kind && (kind === "flag" || entry.environment === environment))
    .map(({ actor, at, before, after }) => ({ by: actor, at, before, after }));
}
