// The settings and the unsent line: kept in this browser, and for this tab apart, like what can be undone.

const SETTINGS_KEY = "hubcharlstm.settings.1";
const DRAFT_KEY = "hubcharlstm.draft.1";

let areRestored = false; // until then, what the controls hold is the server's
let isModelAsked = false;
let draftTimer = 0;

function keep(key, value) {
  for (const storage of [() => sessionStorage, () => localStorage]) {
    try {
      storage().setItem(key, JSON.stringify(value));
    } catch {
      // a browser without storage, or a full one: the page goes on, and forgets this when it closes
    }
  }
}

// What this tab kept; a new tab begins with what the last one kept.
function kept(key) {
  for (const storage of [() => sessionStorage, () => localStorage]) {
    try {
      const value = JSON.parse(storage().getItem(key) ?? "null");
      if (value !== null) return value;
    } catch {
      // as above, or foreign data under our key
    }
  }
  return null;
}

const keptSettings = kept(SETTINGS_KEY);

// The values of the controls by name, with what was kept. The model comes first: its own defaults would replace them.
function restoreSettings(values) {
  const isSame = keptSettings?.model === values.model;
  areRestored = isSame || isModelAsked || !models.includes(keptSettings?.model);
  if (!areRestored) {
    isModelAsked = true; // comes back here once it serves, or does not load
    trigger("restore_model", { model: keptSettings.model });
  } else document.body.dataset.restored = ""; // for tests, whose users are quicker than any
  const restored = isSame ? { ...values } : values;
  if (isSame) {
    for (const [name, value] of Object.entries(values)) {
      if (typeof keptSettings[name] === typeof value) restored[name] = keptSettings[name];
    }
    if (!restored.locked) restored.seed = values.seed;
  }
  return restored;
}

function keepSettings(values) {
  setColored(values.surprise === true);
  setUnderlined(values.copies === true);
  placeHeld(values.model);
  if (areRestored) keep(SETTINGS_KEY, values);
}

function keepDraft() {
  clearTimeout(draftTimer);
  if (messageField()) keep(DRAFT_KEY, messageField().value);
}

function restoreDraft() {
  const draft = kept(DRAFT_KEY);
  if (typeof draft === "string" && draft && messageField().value === "") setMessage(draft);
}

document.addEventListener("input", (event) => {
  if (!event.target.closest?.("#field-message")) return;
  clearTimeout(draftTimer);
  draftTimer = setTimeout(keepDraft, 300);
});
