// The pre-flight in plain words.

const KINDS = { prose: "prose", dialogue: "a dialogue", list: "a list", code: "code", verse: "verse" };
const AMOUNTS = {
  tiny: "That is very little: it will learn how the text looks and some of its words, and much of it by heart.",
  short: "That is little: enough for many of its words and its manner, not for sentences that hold together.",
  enough: "That is enough for its words and its manner.",
  plenty: "That is plenty.",
};

function findingLines(found) {
  const kind = KINDS[found.kind] ?? found.kind;
  const language = found.is_english && found.kind !== "code" ? ", in English" : "";
  const lines = [
    `${count(found.chars)} characters, ${count(found.different_chars)} different ones: it looks like ${kind}${language}.`,
    AMOUNTS[found.amount],
  ];
  if (found.speakers.length > 0) lines.push(`It found who speaks: ${inList(found.speakers, 5)}. You will be able to talk with them.`);
  if (found.is_much_repeated) {
    lines.push(`${Math.round(100 * found.repeated_share)} % of its longer lines occur more than once, so its numbers will look better than it writes.`);
  }
  lines.push(`It is worth reading for about ${inTime(found.seconds)} on this machine; in less it learns less, in more hardly anything.`);
  return lines;
}

function renderFindings(found) {
  const root = part("div", "findings");
  const list = part("ul", "facts");
  for (const line of findingLines(found)) list.append(part("li", "", line));
  const beat = part("p", "beat-note");
  beat.append(
    "The number to beat is ",
    part("strong", "", `${found.number_to_beat.bits.toFixed(2)} bits per character`),
    ": so well does mere counting of which character follows which six predict the tenth of your text that is held out. " +
      "Below it, the model knows more than counting does.",
  );
  root.append(list, beat);
  if (found.doubt) root.append(part("p", "hint", `But here that number says little: ${found.doubt}.`));
  if (found.warnings.length > 0) {
    const more = part("details", "more");
    more.append(part("summary", "", "Notes of the trainer"), ...found.warnings.map((note) => part("p", "", note)));
    root.append(more);
  }
  return root;
}
