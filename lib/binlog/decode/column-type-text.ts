/**
 * The labels in a COLUMN_TYPE such as `enum('a','b,c','it''s')`; none for any other type. A quote inside a
 * label is doubled; MySQL also escapes the backslash and control characters (`sql/sql_show.cc`, append_unescaped), MariaDB does not.
 */
export function enumLabels(columnType: string): string[] {
  if (!/^(enum|set)\(/i.test(columnType)) return [];
  const labels: string[] = [];
  for (const [, label] of columnType.matchAll(/'((?:[^']|'')*)'/g)) {
    labels.push(label!.replaceAll("''", "'"));
  }
  return labels;
}
