// The pre-flight in plain words.

const KINDS = {
  prose: "make.kind_prose",
  dialogue: "make.kind_dialogue",
  list: "make.kind_list",
  code: "make.kind_code",
  verse: "make.kind_verse",
};
const AMOUNTS = {
  tiny: "make.amount_tiny",
  short: "make.amount_short",
  enough: "make.amount_enough",
  plenty: "make.amount_plenty",
};

function findingLines(found) {
  const facts = { characters: characters(found.chars), different: found.different_chars, kind: words(KINDS[found.kind]) };
  const isEnglish = found.is_english && found.kind !== "code";
  const lines = [words(isEnglish ? "make.looks_like_english" : "make.looks_like", facts), words(AMOUNTS[found.amount])];
  if (found.speakers.length > 0) lines.push(words("make.found_speakers", { names: inList(found.speakers, 5) }));
  if (found.is_much_repeated) {
    lines.push(words("make.repeated", { share: inDigits(found.repeated_share, { style: "percent", maximumFractionDigits: 0 }) }));
  }
  lines.push(words("make.worth", { time: inTime(found.seconds) }));
  return lines;
}

function renderFindings(found) {
  const root = part("div", "findings");
  const list = part("ul", "facts");
  for (const line of findingLines(found)) list.append(part("li", "", line));
  const beat = part("p", "beat-note");
  const [before, after] = words("make.number_to_beat").split("{bits}");
  beat.append(before, part("strong", "", bitsOf(found.number_to_beat.bits)), after);
  root.append(list, beat);
  if (found.doubt) root.append(part("p", "hint", words("make.doubt")));
  if (found.warnings.length > 0) {
    const more = part("details", "more");
    more.append(part("summary", "", words("make.trainer_notes")), ...found.warnings.map(trainerNote));
    root.append(more);
  }
  return root;
}

// The trainer writes English.
function trainerNote(text) {
  const node = part("p", "", text);
  Object.assign(node, { lang: "en", dir: "auto" });
  return node;
}
