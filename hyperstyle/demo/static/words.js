// A widget's own texts in the visitor's language, as `say.js` in the page's head translates them; English without it.
const say = window.hsSay ?? ((text) => text);
const words = Object.fromEntries(Object.entries(props.words ?? {}).map(([name, text]) => [name, say(text)]));
