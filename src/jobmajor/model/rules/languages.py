"""Titles in Spanish, French, German, Portuguese or Italian: the model reads letters, and can't know that it can't read.

A title is in one of them if at least half of its words are in the lists below, and not all of these are links such as
"de". So "chef de cuisine" and "Las Vegas dealer" stay English. But for links, the lists hold no word of O*NET's titles.
"""

from __future__ import annotations

# As they are normalised: in lower case and without accents.
_LINKS = """
    aux avec bei chez con das dans de degli dei del della delle dem der des di du el em en et fur fuer gli il la las le
    les los mit nella oder para pour sur um una und une von zum zur
"""
_SPANISH = """
    abogada abogado administrativa administrativo agricola agricultor agricultora albanil almacen almacenista analista
    arquitecta arquitecto asistente atencion auxiliar ayudante becaria becario bombero cajera cajero camarera camarero
    carnicera carnicero carpintero chofer cliente clientes cocinera cocinero comercial consultor consultora contable
    contador contadora coordinador coordinadora cuidador cuidadora dentista desarrollador desarrolladora disenador
    disenadora docente educacion electricista empleada empleado encargada encargado enfermera enfermeria enfermero
    escuela farmaceutica farmaceutico fontanero ganadero gerente guardia humanos ingeniera ingenieria ingeniero
    jardinera jardinero jefa jefe limpiadora limpieza maestra mantenimiento mecanica mecanico medica medico mesera
    mesero mozo ninera obra obras obrera obrero odontologo operador operadora operaria operario panadera panadero
    pasante peluquera peluquero periodista pescador pintor pintora plomero policia practicante produccion profesor
    profesora programador programadora psicologa psicologo recepcionista recursos registrada registrado repartidor
    repartidora responsable salud secretaria secretario seguridad servicio servicios soldador soldadora tecnica tecnico
    tienda trabajador trabajadora traductor traductora vendedor vendedora ventas veterinaria veterinario
"""
_FRENCH = """
    achat achats acheteur acheteuse adjoint adjointe administratif agricole agriculteur alternant analyste apprenti
    architecte auxiliaire assistante avocate boucher boulangere caisse caissier caissiere chargee clientele coiffeur
    coiffeuse commandes comptabilite comptable conducteur conseiller conseillere coordinateur coordinatrice cuisinier
    cuisiniere dentiste dessinateur developpeur developpeuse directeur directrice ecole educateur educatrice electricien
    electricienne employe enseignant enseignante entretien formateur formatrice gardien gerant gerante gestionnaire
    graphiste hotesse humaines infirmier infirmiere ingenieur ingenieure instituteur jardinier journaliste juriste
    livreur livreuse macon magasinier mecanicien mecanicienne medecin menuisier nettoyage notaire operateur operatrice
    ouvrier ouvriere pecheur peintre pharmacien pharmacienne plombier policier pompier preparateur professeur
    programmeur psychologue qualite ressources sante secretaire serveur serveuse soudeur stagiaire superviseur
    technicien technicienne traducteur traductrice vendeur vendeuse vente ventes veterinaire
"""
_GERMAN = """
    abteilungsleiter aerztin altenpfleger altenpflegerin analytiker angestellte angestellter anwalt apotheker
    apothekerin arbeiter architektin arzt arztin assistentin assistenz auszubildende auszubildender azubi baecker
    bediener berater beraterin berufskraftfahrer betreuer buchhalter buchhalterin elektriker elektroniker entwickler
    entwicklerin erzieher erzieherin fachkraft fahrer feuerwehrmann filialleiter fleischer friseur friseurin gaertner
    gartner geschaeftsfuehrer geschaftsfuhrer gestalter grafiker hausmeister helfer ingenieurin journalistin kassierer
    kassiererin kauffrau kaufmann kellner kellnerin klempner kochin koechin kraftfahrer krankenpfleger krankenpflegerin
    krankenschwester lagerarbeiter lagerhelfer lagerist landwirt lehrer lehrerin leiter leiterin lkw maler
    maschinenbediener maurer mechaniker mechatroniker metzger mitarbeiter mitarbeiterin pflegefachkraft pflegekraft
    pfleger polizist polizistin praktikant praktikantin programmierer psychologe rechtsanwalt rechtsanwaltin referent
    referentin reinigungskraft sachbearbeiter sachbearbeiterin schreiner schweisser sekretar sekretarin sicherheit
    softwareentwickler steuerberater teamleiter techniker tierarzt tischler ubersetzer uebersetzer verkaeufer
    verkaeuferin verkaufer verkauferin vertrieb werkstudent werkstudentin zahnarzt zahnarztin
"""
_PORTUGUESE = """
    acougueiro advogada advogado ajudante arquiteto assistente atendente atendimento bombeiro cabeleireira cabeleireiro
    carpinteiro chefe contabilista coordenador coordenadora cozinheira cozinheiro desenvolvedor desenvolvedora educacao
    eletricista empregada empregado encanador encarregado enfermagem enfermeira enfermeiro engenharia engenheira
    engenheiro entregador escola estagiaria estagiario estoquista farmacia faxineira faxineiro garcom garconete
    jardineiro jornalista limpeza loja manutencao motorista padeiro pedreiro policial producao professora qualidade
    saude seguranca supervisora trabalhador tradutor vendas vigia
"""
_ITALIAN = """
    addetta addetto agricoltore aiuto amministrativa amministrativo apprendista architetto autista avvocato bagnino
    cameriera cameriere cassiera cassiere commercialista commessa commesso consulente contabile coordinatore cuoca cuoco
    direttore direttrice educatore elettricista falegname farmacista giardiniere giornalista grafico idraulico
    imbianchino impiegata impiegato infermiera infermiere ingegnere insegnante lavoratore macellaio magazziniere
    meccanico muratore operaia operaio operatore panettiere parrucchiera parrucchiere pescatore pompiere poliziotto
    professore professoressa programmatore psicologo pulizie responsabile saldatore sanitario scuola segretaria
    segretario stagista supervisore sviluppatore tirocinante traduttore venditore venditrice vendite
"""
LINKS = frozenset(_LINKS.split())
WORDS = frozenset((_SPANISH + _FRENCH + _GERMAN + _PORTUGUESE + _ITALIAN).split())


def is_other(text: str) -> bool:
    """Tell whether a normalised title is in one of these languages.

    >>> is_other("enfermera registrada"), is_other("director de ventas"), is_other("chef de cuisine")
    (True, True, False)
    """
    words = text.split()
    found = sum(word in WORDS for word in words)
    return found > 0 and 2 * (found + sum(word in LINKS for word in words)) >= len(words)
