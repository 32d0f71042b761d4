// Which methods to compare, and the edit that all their faces get. Gradio hands in `element`, `props` and `trigger`; the
// value is what `comparing.read_asked` reads.
const form = element.querySelector(".hs-panel");
const asked = { methods: [...props.start], edit: props.edits[0]?.name ?? null, share: 0 };

function tell(event) {
  props.value = structuredClone(asked);
  trigger(event);
}

const methods = props.methods.map(({ name, label, about, slow }) => {
  const box = make("input", { type: "checkbox", value: name, onchange: () => {
    asked.methods = box.checked ? [...asked.methods, name] : asked.methods.filter((other) => other !== name);
  } });
  box.checked = asked.methods.includes(name);
  const title = slow ? fill(words.COMPARE_SLOW, { label: say(label) }) : say(label);
  return make("label", { title: say(about) }, box, title);
});

const edits = make("select", { id: "hs-compare-edit", "aria-describedby": "hs-compare-edit-info", onchange: () => {
  asked.edit = edits.value;
  tell("input");
} }, ...props.edits.map((edit) => make("option", { value: edit.name }, say(edit.label))));
const strength = makeSlider({
  minimum: -100, maximum: 100, step: 5, rest: 0, words,
  id: "hs-compare-strength", label: words.COMPARE_STRENGTH, info: words.COMPARE_STRENGTH_INFO,
  moved: (value) => {
    asked.share = value / 100;
    tell("input");
  },
  rested: () => {},
});
strength.set(0);

form.append(
  make(
    "fieldset", { class: "hs-choice", id: "hs-compare-methods", "aria-describedby": "hs-compare-methods-info" },
    make("legend", {}, words.COMPARE_METHODS),
    make("p", { class: "info-text", id: "hs-compare-methods-info" }, words.COMPARE_METHODS_INFO),
    make("div", {}, ...methods),
  ),
  make("div", { class: "hs-tools" }, make("button", {
    type: "button", class: "hs-button hs-main", id: "hs-compare", title: words.COMPARE_BUTTON_INFO,
    onclick: () => {
      asked.share = 0;
      strength.set(0);
      tell("submit");
    },
  }, words.COMPARE_BUTTON)),
);
if (props.edits.length) {
  form.append(make(
    "div", { class: "hs-fields" },
    make(
      "div", { class: "hs-field" }, make("label", { for: edits.id }, words.COMPARE_EDIT),
      make("p", { class: "info-text", id: "hs-compare-edit-info" }, words.COMPARE_EDIT_INFO), edits,
    ),
    strength.row,
  ));
}
props.value = structuredClone(asked);
