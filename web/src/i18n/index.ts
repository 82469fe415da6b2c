import { createI18n } from 'vue-i18n'
import en from './en'
import zhCN from './zh-CN'

export const LOCALES = ['zh-CN', 'en'] as const
export type Locale = (typeof LOCALES)[number]

const KEY = 'ctid.locale'

export function isLocale(value: unknown): value is Locale {
  return typeof value === 'string' && (LOCALES as readonly string[]).includes(value)
}

export function storedLocale(): Locale | null {
  const value = localStorage.getItem(KEY)
  return isLocale(value) ? value : null
}

function preferred(): Locale {
  return storedLocale() ?? (navigator.language.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en')
}

export const i18n = createI18n({
  legacy: false,
  locale: preferred(),
  fallbackLocale: 'en',
  messages: { en, 'zh-CN': zhCN },
})

export function setLocale(locale: Locale): void {
  i18n.global.locale.value = locale
  document.documentElement.lang = locale
}

export function chooseLocale(locale: Locale): void {
  localStorage.setItem(KEY, locale)
  setLocale(locale)
}

document.documentElement.lang = i18n.global.locale.value
