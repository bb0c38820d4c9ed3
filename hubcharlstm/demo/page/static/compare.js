// What a line can be compared by: temperatures, greedy against sampled, the models on offer.

const numberOf = (field) => Number(document.querySelector(`#field-${field} input`).value);

function comparisons(run) {
  const temperatures = intro.temperatures;
  const own = numberOf("temperature") || 0.8;
  const model = document.querySelector("#field-model input").value;
  const others = models.filter((other) => other !== model);
  return [
    { label: words("compare.temperatures", { temperatures }), run: () => run({ temperatures }) },
    { label: words("compare.greedy", { temperature: own }), run: () => run({ temperatures: [0, own] }) },
    ...(others.length > 0 ? [{ label: words("compare.models", { model }) }] : []),
    ...others.map((other) => ({ label: other, run: () => run({ models: [model, other] }) })),
  ];
}
