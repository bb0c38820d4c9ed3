// What a line can be compared by: temperatures, greedy against sampled, the models on offer.

const numberOf = (field) => Number(document.querySelector(`#field-${field} input`).value);

function inWords(values) {
  return `${values.slice(0, -1).join(", ")} and ${values.at(-1)}`;
}

function comparisons(run) {
  const temperatures = intro.temperatures;
  const own = numberOf("temperature") || 0.8;
  const model = document.querySelector("#field-model input").value;
  const others = models.filter((other) => other !== model);
  return [
    { label: `at temperatures ${inWords(temperatures)}`, run: () => run({ temperatures }) },
    { label: `greedy against sampled at ${own}`, run: () => run({ temperatures: [0, own] }) },
    ...(others.length > 0 ? [{ label: `by ${model} and` }] : []),
    ...others.map((other) => ({ label: other, run: () => run({ models: [model, other] }) })),
  ];
}
