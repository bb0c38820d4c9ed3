// The facts of the model, one paragraph each.

function renderFacts() {
  const paragraphs = (props.value ?? []).map((fact) => {
    const node = document.createElement("p");
    node.textContent = wordsOf(fact);
    node.dir = "auto";
    return node;
  });
  element.querySelector("div").replaceChildren(...paragraphs);
}

renderFacts();
watch("value", renderFacts);
