// A reply: its text as it is written, exact continuation, and the alternatives of each character.

const ENDINGS = { length: "length reached", cut: "length reached, cut after a whole sentence", stop: "ended by itself", cancelled: "stopped", failed: "failed" };

/** What the end of `text` repeats once, of 20 characters or more; "" for nothing. Cycles too long for the library. */
function cycleIn(text) {
  for (let length = 20; 2 * length <= text.length; length++) {
    if (text.slice(-length) === text.slice(-2 * length, -length)) return text.slice(-length);
  }
  return "";
}

class Reply {
  /** isTurn: a character's, which the model's own stop string ends. */
  constructor(prompt, shown, settings, hasTitle, warning, isTurn) {
    this.id = nextReply++;
    replies.set(this.id, this);
    Object.assign(this, { prompt, warning, settings, isTurn, seed: settings.seed, text: "", writing: false, ending: "" });
    this.root = make("div");
    if (hasTitle) this.root.append(make("p", "reply-temperature", `temperature ${settings.temperature}`));
    this.node = make("p", "reply");
    this.node.tabIndex = 0;
    this.node.setAttribute("role", "group");
    this.node.setAttribute("aria-label", "Reply. Arrow keys choose a character, Enter shows its alternatives.");
    this.before = document.createTextNode("");
    this.mark = make("mark");
    this.mark.hidden = true;
    this.after = document.createTextNode("");
    this.node.append(make("span", "prompt-text", shown), this.before, this.mark, this.after);
    this.node.addEventListener("click", (event) => this.onClick(event));
    this.node.addEventListener("keydown", (event) => this.onKey(event));
    this.caption = make("p", "caption");
    this.warnings = make("p", "warnings");
    this.warnings.hidden = true;
    this.cycle = make("p", "warnings cycle");
    this.cycle.hidden = true;
    this.actions = make("div", "actions");
    this.goOn = button("action", "Go on", () => this.continueExactly());
    this.retry = button("action", "Retry", () => this.startAnew());
    this.actions.append(this.goOn, this.retry, button("action", "Copy", () => this.copy(shown)));
    this.box = make("div", "alternatives");
    this.box.hidden = true;
    this.position = null; // of the character chosen, in code points
    this.root.append(this.warnings, this.node, this.box, this.cycle, this.caption, this.actions);
  }

  start(goesOn = false) {
    showError(failure);
    this.select(null);
    this.cycle.hidden = true;
    if (failure) {
      this.end("failed");
      return;
    }
    this.writing = true;
    this.refresh();
    const { stop, seed, ...options } = this.settings;
    if (stop) options.stop = stop;
    if (!goesOn) options.seed = seed;
    const prompt = this.basis() + this.text;
    worker.postMessage({ type: "generate", id: this.id, prompt, options, goesOn, isTurn: this.isTurn, rate: rate() });
    refreshWriting();
  }

  /** What the model reads before the text: an empty prompt starts from the model's own start text. */
  basis() {
    return this.prompt === "" && this.text !== "" ? generation.start_text : this.prompt;
  }

  /** The same line with another seed. */
  startAnew() {
    this.settings.seed = this.seed = drawSeed();
    this.text = "";
    this.start();
  }

  /** Goes on from the state in which it stopped: 100 characters and 100 more are the 200 of one request. */
  continueExactly() {
    if (this.writing) return;
    try {
      const length = numberOf("length", "length", true);
      this.settings.maxNewTokens = this.isTurn ? turnLength(length) : length;
    } catch (error) {
      showError(error.message);
      return;
    }
    if (this.ending === ENDINGS.stop) this.append(this.settings.stop); // the model wrote it, unseen
    this.start(true);
  }

  append(text) {
    if (!text) return;
    this.text += text;
    this.after.appendData(text);
    followEnd();
  }

  /** Takes the last `count` UTF-16 units off, which end no sentence. */
  cut(count) {
    if (!count) return;
    this.text = this.text.slice(0, -count);
    this.select(null);
  }

  end(reason, cycle) {
    this.writing = false;
    this.ending = ENDINGS[reason];
    const isGreedy = this.settings.temperature === 0 && ["length", "cut", "stop"].includes(reason);
    this.showCycle(isGreedy ? (cycle ?? cycleIn(this.text)) : "");
    this.refresh();
    refreshWriting();
    followEnd();
  }

  /** prompt: as the model read it, null where a continuation reads none. */
  onStarted(prompt, warnings) {
    if (prompt !== null && this.text === "") this.prompt = prompt;
    this.warnings.textContent = [this.warning, ...warnings].filter(Boolean).join("; ");
    this.warnings.hidden = this.warnings.textContent === "";
  }

  showCycle(cycle) {
    const [shortened, dots] = [oneLine(cycle).slice(0, 80), oneLine(cycle).length > 80 ? " …" : ""];
    this.cycle.textContent = `It goes in circles: “${shortened}${dots}” again and again. A higher temperature leaves them.`;
    this.cycle.hidden = cycle === "";
  }

  refresh() {
    const count = Array.from(this.text).length;
    const { temperature, topK, topP, minP } = this.settings;
    const parts = [
      this.writing ? "writing" : `${count.toLocaleString("en")} character${count === 1 ? "" : "s"}`,
      this.seed ? `seed ${this.seed}` : "",
      `temperature ${temperature}`,
      topK ? `top-k ${topK}` : "",
      topP < 1 ? `top-p ${topP}` : "",
      minP ? `min-p ${minP}` : "",
      "int8 in this browser",
      this.writing ? "" : this.ending,
    ];
    this.caption.textContent = parts.filter(Boolean).join(" · ");
    this.node.classList.toggle("writing", this.writing);
    this.goOn.disabled = this.retry.disabled = this.writing;
  }

  async copy(shown) {
    try {
      await navigator.clipboard.writeText(shown + this.text);
    } catch {
      showError("The browser refuses to copy: select the text."); // or has no clipboard, as without HTTPS
    }
  }

  // --- alternatives of a character ---

  onClick(event) {
    if (this.writing || !getSelection().isCollapsed) return;
    const caret = this.caretAt(event.clientX, event.clientY);
    if (!caret) return;
    const starts = { before: 0, mark: this.before.length, after: this.before.length + this.mark.textContent.length };
    const part = caret.node === this.before ? "before" : caret.node === this.after ? "after" : "mark";
    if (part === "mark" && !this.mark.contains(caret.node)) return;
    const before = Array.from(this.text.slice(0, starts[part] + caret.offset)).length;
    const index = before > 0 && this.isLeftOf(event, caret) ? before - 1 : before; // a caret stands between two characters
    this.select(Math.min(index, Array.from(this.text).length - 1));
    this.ask();
  }

  caretAt(x, y) {
    if (document.caretPositionFromPoint) {
      const found = document.caretPositionFromPoint(x, y);
      return found && { node: found.offsetNode, offset: found.offset };
    }
    const range = document.caretRangeFromPoint?.(x, y);
    return range && { node: range.startContainer, offset: range.startOffset };
  }

  isLeftOf(event, { node, offset }) {
    if (node.nodeType !== Node.TEXT_NODE || offset === 0) return false;
    const range = document.createRange();
    range.setStart(node, offset - (node.data.codePointAt(offset - 2) > 0xffff ? 2 : 1)); // a surrogate pair is one
    range.setEnd(node, offset);
    return Array.from(range.getClientRects()).some(
      ({ left, right, top, bottom }) =>
        left <= event.clientX && event.clientX < right && top <= event.clientY && event.clientY <= bottom,
    );
  }

  onKey(event) {
    const chars = Array.from(this.text);
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    if (this.writing || chars.length === 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) {
      const from = this.position ?? (event.key === "ArrowRight" ? -1 : chars.length);
      this.select(Math.max(0, Math.min(chars.length - 1, from + steps[event.key])));
      announce(describeChar(chars[this.position]));
    } else if (event.key === "Enter" && this.position !== null) {
      this.ask(true);
    } else if (event.key === "Escape") {
      this.select(null);
    } else {
      return;
    }
    event.preventDefault();
  }

  /** Marks the character at `position`, null for none. */
  select(position) {
    const chars = Array.from(this.text);
    this.position = position;
    this.box.hidden = true;
    this.mark.hidden = position === null;
    this.before.data = position === null ? "" : chars.slice(0, position).join("");
    this.mark.textContent = position === null ? "" : chars[position];
    this.after.data = position === null ? this.text : chars.slice(position + 1).join("");
  }

  ask(focus = false) {
    this.focusesBox = focus;
    const { temperature, topK, topP, minP } = this.settings;
    const text = Array.from(this.text).slice(0, this.position).join("");
    worker.postMessage({
      type: "alternatives",
      id: this.id,
      position: this.position,
      prompt: this.basis(),
      text,
      options: { temperature, topK, topP, minP },
    });
  }

  /** position: of the character that was asked about, which may be another than the chosen one by now. */
  showAlternatives(position, found) {
    if (this.position !== position || this.writing) return;
    const chosen = Array.from(this.text)[this.position];
    const list = make("ul");
    for (const { char, probability } of found) {
      const item = make("li");
      const one = button("", "", () => this.writeOnWith(char));
      one.append(make("b", "", shortName(char)), ` ${percent(probability)}`);
      one.setAttribute("aria-label", `${describeChar(char)}, ${percent(probability)}`);
      if (char === chosen) one.setAttribute("aria-current", "true");
      item.append(one);
      list.append(item);
    }
    const close = button("action", "Close", () => {
      this.select(null);
      this.node.focus();
    });
    const title = `Instead of ${shortName(chosen)}, at temperature ${this.settings.temperature}: choose one to write on from it.`;
    this.box.replaceChildren(make("p", "", title), list, close);
    this.box.hidden = false;
    this.box.scrollIntoView({ block: "nearest" });
    if (this.focusesBox) list.querySelector("button")?.focus();
  }

  /** Puts `char` in the place of the chosen character, drops what follows, and writes on. */
  writeOnWith(char) {
    this.text = Array.from(this.text).slice(0, this.position).join("") + char;
    this.start();
  }
}

const percent = (share) => (share >= 0.001 ? `${(100 * share).toFixed(1)} %` : "< 0.1 %");

function shortName(char) {
  return { " ": "␣", "\n": "⏎", "\t": "⇥" }[char] ?? char;
}

function describeChar(char) {
  return { " ": "space", "\n": "line break", "\t": "tab" }[char] ?? char;
}

function announce(text) {
  byId("status").textContent = text;
}

/** Keeps the end in sight while the reader is there. */
function followEnd() {
  const view = byId("conversation");
  if (view.scrollHeight - view.scrollTop - view.clientHeight < 120) view.scrollTop = view.scrollHeight;
}
