// The menu of the page's languages. The choice is a cookie, which the server needs to render the page; where the browser
// keeps none, the address says it.

const LANGUAGE_COOKIE = "hubcharlstm_language";
const select = element.querySelector("select");

function keepLanguage(tag) {
  const isSecure = location.protocol === "https:";
  const scope = isSecure ? "SameSite=None; Secure; Partitioned" : "SameSite=Lax"; // a Space stands in a frame of another site
  document.cookie = `${LANGUAGE_COOKIE}=${tag}; path=/; max-age=31536000; ${scope}`;
  return document.cookie.includes(`${LANGUAGE_COOKIE}=${tag}`);
}

select.append(...Object.entries(pageWords.languages).map(([tag, name]) => {
  const option = new Option(name, tag, false, tag === pageWords.language);
  option.lang = tag;
  return option;
}));
select.addEventListener("change", () => {
  const query = new URLSearchParams(location.search);
  query.delete("lang");
  if (!keepLanguage(select.value)) query.set("lang", select.value);
  location.replace(location.pathname + (query.size > 0 ? `?${query}` : ""));
});
if (new URLSearchParams(location.search).has("lang")) keepLanguage(pageWords.language);
