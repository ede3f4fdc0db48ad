/** A script, as sessions write it whose character set is not UTF-8. */
export interface Script {
  /** As mysql2 names them. */
  readonly charsets: readonly string[];
  /** Those in which the bytes of the table's name are the UTF-8 of another one, so that nothing looks wrong. */
  readonly misleading?: readonly string[];
  /** Words, and a name for a column. Some have bytes that are a backslash or a backtick in ASCII. */
  readonly words: readonly string[];
  readonly column: string;
}

export const CHINESE: Script = {
  charsets: ['GBK_CHINESE_CI', 'GB2312_CHINESE_CI'],
  misleading: ['GBK_CHINESE_CI', 'GB2312_CHINESE_CI'],
  words: ['通知', '库存', '数据库'],
  column: '备注',
};
export const TRADITIONAL: Script = {
  charsets: ['BIG5_CHINESE_CI'],
  words: ['功能', '許可', '數據庫'],
  column: '備註',
};
export const JAPANESE: Script = {
  charsets: ['SJIS_JAPANESE_CI', 'CP932_JAPANESE_CI', 'UJIS_JAPANESE_CI'],
  misleading: ['UJIS_JAPANESE_CI'],
  words: ['表', '予約ソ', '在庫'],
  column: '備考',
};
export const WESTERN: Script = {
  charsets: ['LATIN1_SWEDISH_CI', 'CP1250_GENERAL_CI'],
  words: ['größe', 'Äç', 'straße'],
  column: 'größe_alt',
};
export const CYRILLIC: Script = {
  charsets: ['CP1251_GENERAL_CI', 'KOI8R_GENERAL_CI', 'CP866_GENERAL_CI'],
  words: ['таблица', 'ёж', 'склад'],
  column: 'заметка',
};
