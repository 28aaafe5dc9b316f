// Where the review app serves this page, exposures link to their pages in it, and a line leads back to its list.
const served = location.protocol !== "file:" && location.pathname.startsWith("/reports/");
if (served) {
  for (const link of document.querySelectorAll("a[data-expnum]")) link.href = `/exposure/${link.dataset.expnum}`;
  const line = document.createElement("p");
  line.id = "app";
  for (const [href, textContent] of [["/", "Candidates in the review app"], ["/home", "Home"]])
    line.append(Object.assign(document.createElement("a"), {href, textContent}), " ");
  document.body.prepend(line);
}
