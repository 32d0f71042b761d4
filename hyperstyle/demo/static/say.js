// The page in the visitor's language: English texts are the keys. Stands once in the page's head, after `hsLanguages`; each
// widget takes `say` from here (`words.js`). It also recognises a text of the server whose {blanks} were filled in; what it
// does not know stays English.
window.hsSay = (() => {
  const language = navigator.language.slice(0, 2);
  const dictionary = window.hsLanguages[language] ?? {};
  const templates = Object.entries(dictionary).filter(([english]) => english.includes("{")).map(([english, other]) => {
    const names = [];
    const source = english.split(/(\{\w+[^}]*\})/).map((part) => {
      const blank = part.match(/^\{(\w+)/);
      if (!blank) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      names.push(blank[1]);
      return "(.+?)";
    });
    return { match: new RegExp(`^${source.join("")}$`, "s"), names, other };
  });
  if (Object.keys(dictionary).length) document.documentElement.lang = language;

  return function say(text) {
    if (typeof text !== "string" || !text) return text;
    if (dictionary[text]) return dictionary[text];
    for (const { match, names, other } of templates) {
      const found = text.match(match);
      if (found) return other.replace(/\{(\w+)[^}]*\}/g, (blank, name) => say(found[names.indexOf(name) + 1]) ?? blank);
    }
    // Names with amounts, as in the history and in what else has moved: "Smile +1.5", "Age +3 years, Fringe −10 %".
    const parts = text.split(", ").map((part) => part.match(/^(.+?) ([+−-][\d.]+.*)$/));
    return parts.every(Boolean) ? parts.map(([, name, amount]) => `${say(name)} ${say(amount)}`).join(", ") : text;
  };
})();
