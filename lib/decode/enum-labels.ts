const ESCAPED: Record<string, string> = { "''": "'", '\\\\': '\\', '\\n': '\n', '\\r': '\r', '\\0': '\0' };

/**
 * The labels in a COLUMN_TYPE such as `enum('a','b,c','it''s')`; none for any other type.
 *
 * Quotes are doubled there, and the backslash, line ends and NUL are escaped (append_unescaped, which both
 * servers call in `sql/field.cc`, Field_enum::sql_type).
 */
export function enumLabels(columnType: string): string[] {
  if (!/^(enum|set)\(/i.test(columnType)) return [];
  const labels: string[] = [];
  for (const [, label] of columnType.matchAll(/'((?:[^'\\]|''|\\.)*)'/gs)) {
    labels.push(label!.replace(/''|\\[\\nr0]/g, (escaped) => ESCAPED[escaped]!));
  }
  return labels;
}
