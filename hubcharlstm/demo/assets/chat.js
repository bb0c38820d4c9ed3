// Draws the conversation. Gradio runs this file as the body of a function of `element`, `trigger`, `props` and `watch`.
// What a visitor or a model wrote goes in as text nodes only: no HTML, Markdown or LaTeX in it is ever read, and a
// reply that grows is appended to, so that nothing on the page moves but its end.

const NEAR_THE_END = 48; // pixels: a reader this close to the end is taken along as the text grows

const view = element.querySelector(".view");
const list = element.querySelector(".turns");
const spoken = element.querySelector("[role=status]");
const drawn = [];
let following = true;

function make(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function drawIntro() {
  const intro = element.querySelector(".intro");
  const { title, lines, examples } = props.intro;
  intro.append(make("h1", "title", title), ...lines.map((line) => make("p", "line", line)));
  if (examples.length === 0) return;
  const starters = make("ul", "starters");
  starters.setAttribute("aria-label", "Lines to start with");
  for (const example of examples) {
    const button = make("button", "starter", `${example.trim().replace(/\s*\n\s*/g, " ⏎ ")} …`);
    button.type = "button";
    button.addEventListener("click", () => trigger("example_select", { prompt: example }));
    const item = make("li", "");
    item.append(button);
    starters.append(item);
  }
  intro.append(starters);
}

function drawTurn(turn) {
  const root = make("li", "turn");
  const visitor = make("p", "visitor");
  visitor.append(make("span", "unseen", "You: "), make("span", turn.typed ? "typed" : "typed none", turn.typed || "nothing typed"));
  const reply = make("div", "reply");
  const text = document.createTextNode("");
  reply.append(make("span", "unseen", "The model: "), make("span", "seed-phrase", turn.prompt), text);
  const foot = make("p", "foot");
  const notes = make("p", "notes", turn.notes.join("; "));
  root.append(visitor, reply, foot);
  if (turn.notes.length > 0) root.append(notes);
  return { turn, root, reply, text, foot };
}

function isSame(turn, other) {
  return turn.typed === other.typed && turn.prompt === other.prompt && turn.seed === other.seed;
}

function refresh(entry, turn) {
  if (turn.text.startsWith(entry.text.data)) entry.text.appendData(turn.text.slice(entry.text.length));
  else entry.text.data = turn.text;
  entry.reply.classList.toggle("writing", turn.writing);
  if (entry.foot.textContent !== turn.foot) entry.foot.textContent = turn.foot;
  entry.turn = turn;
}

function toTheEnd() {
  view.scrollTop = view.scrollHeight;
}

function draw() {
  const conversation = Array.isArray(props.value) ? props.value : [];
  const before = drawn.length;
  let kept = 0;
  while (kept < before && kept < conversation.length && isSame(drawn[kept].turn, conversation[kept])) kept += 1;
  for (const gone of drawn.splice(kept)) gone.root.remove();
  conversation.forEach((turn, index) => {
    if (index === drawn.length) {
      drawn.push(drawTurn(turn));
      list.append(drawn[index].root);
      following = true;
    }
    refresh(drawn[index], turn);
  });
  element.classList.toggle("empty", conversation.length === 0);
  const last = conversation.at(-1);
  const say = last === undefined ? "" : last.writing ? "The model is writing." : `The model is done: ${last.foot}`;
  if (spoken.textContent !== say) spoken.textContent = say;
  if (conversation.length === 0) view.scrollTop = 0;
  else if (following) toTheEnd();
}

view.addEventListener("scroll", () => {
  following = view.scrollHeight - view.scrollTop - view.clientHeight < NEAR_THE_END;
});
new ResizeObserver(() => {
  if (following && drawn.length > 0) toTheEnd();
}).observe(view);

drawIntro();
draw();
watch("value", draw);
